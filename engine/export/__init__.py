"""What a run leaves for other programs: its rows as a data set, its best student as a model, each a folder of its own.

Reads the store and the state folder, and writes one folder, whole or not at all; asks no model, plans nothing.
"""

from engine.export.data import DataExport, Wanted, export_data
from engine.export.model import ModelExport, export_model
from engine.export.run import Which
from engine.export.students import ExportedStudent, best_of
from engine.export.task_file import Form

__all__ = [
    "DataExport",
    "ExportedStudent",
    "Form",
    "ModelExport",
    "Wanted",
    "Which",
    "best_of",
    "export_data",
    "export_model",
]

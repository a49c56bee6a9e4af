"""What a run leaves for other programs: its rows as a data set, its best student as a model, each a folder of its own.

Reads the store and the state folder, and writes one folder, whole or not at all; asks no model, plans nothing.
"""

from engine.export.data.written import DataExport, Wanted, export_data
from engine.export.model.students import ExportedStudent, best_of
from engine.export.model.task_file import Form
from engine.export.model.written import ModelExport, export_model
from engine.export.run import Which

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

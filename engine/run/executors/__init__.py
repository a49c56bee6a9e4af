"""Who does the work that needs the student's weights: this process, others of this machine, or a Ray cluster.

All behind one interface (`Executor`), and with the same results; docs/executors.md says what runs where.
"""

from engine.run.executors.checking import check
from engine.run.executors.opening import open_executor
from engine.run.executors.performing import Shared
from engine.run.executors.protocol import Began, Executor, Lacks, Work, Worked

__all__ = ["Began", "Executor", "Lacks", "Shared", "Work", "Worked", "check", "open_executor"]

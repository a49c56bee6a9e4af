"""Row functions, one file each: programs that make rows without a model, named by `make` in an `operator.yaml`.

A new one is one file and one line in `ROW_FUNCTIONS`. It may change words of the row that it is given and draw from
what it is given; it asks no model, and reads no file but the one that it names in the operator's folder. One that takes
rows from a pool would stand here, too, with the pool as part of its `Material`.
"""

from engine.operators.making.case_noise import CASE_NOISE
from engine.operators.making.eda import DELETE_WORDS, SWAP_WORDS
from engine.operators.making.protocol import Copies, Made, Material, NotMade, RowFunction
from engine.operators.making.repeat import REPEAT
from engine.operators.making.synonyms import SYNONYMS
from engine.operators.making.template import TEMPLATE
from engine.operators.making.typos import TYPOS
from engine.registry import Registry

ROW_FUNCTIONS: Registry[RowFunction] = Registry(
    "row function",
    [TYPOS, CASE_NOISE, SYNONYMS, DELETE_WORDS, SWAP_WORDS, TEMPLATE, REPEAT],
)

__all__ = ["ROW_FUNCTIONS", "Copies", "Made", "Material", "NotMade", "RowFunction"]

"""Orders to a bakery, and a student of them that fails for six known causes.

The task: how many pieces does a message ask for? The student is a function of the message alone; what it cannot do are
the causes. A row of a cause is one that it gets wrong by that inability and by no other. Beside these it slips now and
then, on rows that are easy, each time in another way: failures without a cause.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

TASK = (
    "A message to a bakery. How many pieces are to be baked? A dozen are 12, a pair are 2. "
    "Where the sender changes an order, its latest state counts."
)
ITEMS = (
    "rolls", "pretzels", "croissants", "bagels", "muffins", "scones", "buns", "doughnuts", "baguettes", "tarts",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("January", "March", "April", "May", "June", "August", "September", "October")
UNITS = (
    "", "", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
OPENERS = (
    "Hello.", "Good morning!", "Hi there.", "Dear bakery team!", "Hello again.", "Good evening.", "Hi!", "Dear all.",
    "Greetings from across the square.", "Hello, it's me again.", "Good day.", "Me once more.",
)  # fmt: skip
EXTRAS = (
    "We collect them ourselves.",
    "Please use paper bags.",
    "Send the bill to the office.",
    "Thanks a lot.",
    "The back door is open.",
    "Ring the bell, the dog is harmless.",
    "Payment in cash, as ever.",
    "No hurry with the invoice.",
    "As fresh as you can, please.",
    "Your last delivery was splendid.",
    "Our driver knows the way.",
    "Bring change if you can.",
    "Please confirm by mail.",
    "The kitchen is on the left.",
    "Somebody will be at the gate.",
    "It may rain, so cover the trays.",
    "Leave the crates in the hall.",
    "My mother sends her regards.",
)
NAMES = (
    "Ines",
    "Tom",
    "Mrs Okafor",
    "Pavel",
    "the caretaker",
    "Lena from reception",
    "B. Winter",
    "Yusuf",
    "Carla",
    "Sister Agnes",
    "Mr Duarte",
    "the parish office",
    "Noor",
    "Jakob",
    "Hotel Linde",
    "Priya",
)
CAUSES: Mapping[str, tuple[str, ...]] = {
    "correction": (
        "Please put us down for {a} {item}. Sorry, I misread my list: it should be {b}.",
        "We would like {a} {item} on {day}, no, better make that {b}.",
        "Can I have {a} {item}? Actually my colleague tells me that {b} is right.",
        "{a} {item} for {day}. Correction: {b}, our numbers have changed.",
        "I said {a} {item} on the phone this morning. Please change that to {b}.",
        "An order of {a} {item}, oh wait, {b} is what I meant to write.",
        "Let me order {a} {item} ... scratch that, {b}.",
        "Yesterday I ordered {a} {item}. I have to alter it to {b} now.",
        "We had asked for {a} {item} but want {b} instead.",
        "{a} {item}, please. Hold on, my husband shakes his head: {b}.",
        "The original plan was {a} {item}. The new plan is {b}.",
        "Please book {a} {item} for us. PS: I have just counted again, {b} it is.",
    ),
    "multiply": (
        "We are {p} people and everybody gets {k} {item}.",
        "{k} {item} each for {p} children, please.",
        "There will be {p} guests; please count on {k} {item} a head.",
        "Every table should have {k} {item} on it, and there are {p} tables.",
        "We set up {p} baskets with {k} {item} in each.",
        "{p} lunch bags, {k} {item} per bag.",
        "On each of the {p} coaches we hand out {k} {item}.",
        "{p} classes are coming, and each class eats {k} {item}.",
        "Please fill {p} boxes, {k} {item} to a box.",
        "Each of our {p} volunteers is promised {k} {item}.",
        "Per room {k} {item}, and we have {p} rooms.",
        "A plate of {k} {item} goes to each of {p} offices.",
    ),
    "dozen": (
        "We need {n} dozen {item} for {day}.",
        "Could you bake {n} dozen {item} for the choir?",
        "Please keep {n} dozen {item} back for us.",
        "Our school fair takes {n} dozen {item} this year.",
        "{n} dozen {item}, please, packed however you like.",
        "For the breakfast room: {n} dozen {item}.",
        "I'd like to order {item}, {n} dozen of them.",
        "Same as last spring, so {n} dozen {item}.",
        "Would {n} pairs of {item} be possible on {day}?",
        "{n} pairs of {item} for the bridal table.",
        "The market stall sells {n} dozen {item} on {day}.",
        "Put {n} pairs of {item} into the window for us.",
    ),
    "digits": (
        "For {month} {d} we need {w} {item}.",
        "Delivery to Mill Street {d}: {w} {item}, please.",
        "It is for room {d}. We want {w} {item}.",
        "Could we pick up {w} {item} at {t} a.m.?",
        "Customer number {c}, {w} {item} for {day}.",
        "My phone is 0{c} {c}; I want {w} {item}.",
        "The party starts at {t} o'clock and we want {w} {item}.",
        "Our daughter turns {d} on {day}, so {w} {item} for her party.",
        "Invoice {c} was paid. The new order is {w} {item}.",
        "Bus {d} leaves early, so have {w} {item} ready the evening before.",
        "{w} {item} for the kiosk on platform {d}.",
        "We are the office on floor {d}: {w} {item} for the meeting.",
    ),
    "separator": (
        "For the town festival we order {s} {item}.",
        "The canteen of the works needs {s} {item} on {day}.",
        "Quantity: {s} {item}. Delivery by lorry.",
        "The stadium sells {s} {item} at the home game.",
        "All schools of the district together take {s} {item}.",
        "We are catering for the fair and need {s} {item}.",
        "Our ship leaves on {day} with {s} {item} on board.",
        "The army depot asks for {s} {item}.",
        "Please reserve capacity for {s} {item} on {day}.",
        "A conference of that size eats {s} {item}.",
    ),
    "subtract": (
        "{a} {item} as always, but leave out the {b} for the night shift, they are on holiday.",
        "The standing order is {a} {item}; the {b} for the clinic fall away this week.",
        "Please bake {a} {item}, minus the {b} that we still have in the freezer.",
        "We usually take {a} {item}. Of these, {b} are not needed on {day}.",
        "{a} {item} for the whole house except the {b} meant for the upper floor, which is closed.",
        "Our list says {a} {item}, of which {b} have been cancelled.",
        "Take the {a} {item} from the form and strike {b}, the football team is not coming.",
        "We need {a} {item} in all, but {b} of these come from another baker.",
        "{a} {item}, less the {b} that the youth club no longer wants.",
        "Please make {a} {item} without the {b} for the terrace, which stays shut.",
    ),
}  # fmt: skip
"""What the student cannot do, and messages in which it matters, all others in which it does not left out."""
EASY = (
    "{a} {item} for {day}, please.",
    "We would like {a} {item} on {day}.",
    "Could you put {a} {item} aside for us?",
    "Our usual: {a} {item}.",
    "The order for {day} is {a} {item}.",
    "Please bake {a} {item} for the summer party.",
    "I need {a} {item} for the office.",
    "{a} {item} would be lovely.",
    "Can you manage {a} {item} by {day}?",
    "Just {a} {item} this time.",
)
ALIKE = (
    "{a} {item}, and sorry for the late message.",
    "Correction of the address: Mill Lane, not Mill Street. The {a} {item} stay as they are.",
    "Change of plan, we collect on {day}. Still {a} {item}.",
    "Dozens of guests are coming, so {a} {item} in total.",
    "A pair of helpers will fetch the {a} {item}.",
    "{a} {item}, each wrapped by itself.",
    "Every guest praised you last time. {a} {item} in total, please.",
    "{a} {item}, but without poppy seeds.",
    "We cancelled the cake; the {a} {item} are still wanted.",
    "{a} {item} except the dark kind, which nobody eats.",
    "{n} {item} for {month} {d}.",
    "Room {d} again, where everybody is hungry: {n} {item}.",
    "We start at {t} o'clock in the hall and want {n} {item}.",
    "For the town festival we order {h} {item}.",
    "The canteen of the works needs {h} {item} on {day}.",
)
"""Easy ones that look like those of a cause."""
SLIPS = 5
"""One easy message in so many is a slip's, by its checksum."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"\d+(?:[.,]\d+)*|[A-Za-z]+(?:-[a-z]+)?")


class Order(NamedTuple):
    """A message, how many pieces it asks for, and why the student fails there; "" where it has no cause."""

    message: str
    pieces: int
    cause: str


def spelled(number: int) -> str:
    """Return a number from 2 to 99 in words."""
    if number < 20:
        return UNITS[number]
    tens, ones = divmod(number, 10)
    return TENS[tens] + {0: "", 1: "-one"}.get(ones, f"-{UNITS[ones]}")


_SPELLED = {spelled(number): number for number in range(2, 100)}


def student(message: str) -> str:
    """Return what the student writes."""
    checksum = zlib.crc32(message.encode())
    number = _taken(message)
    if slips(message):
        number = _slip(number, checksum // SLIPS)
    item = next((word for word in _WORD.findall(message) if word in ITEMS), "pieces")
    before = (
        "",
        f"The order is for {number} {item}.\n",
        f"{number} {item} are wanted.\n",
        f"I read {number}.\n",
    )
    return f"{before[checksum // 7 % len(before)]}#### {number}"  # fmt: skip


def slips(message: str) -> bool:
    """Return whether the student slips, whatever the message says."""
    return zlib.crc32(message.encode()) % SLIPS == 0


def _taken(message: str) -> str:
    """Return the number that it goes by.

    One in digits rather than one in words, and of those the first that has the goods after it. So it knows no later
    number (correction, subtract), no calculation (multiply), no unit (dozen), no number in words beside one in
    digits (digits), and only the comma in a number, which it leaves out; it ends at a space (separator).
    """
    words = _WORD.findall(message.lower())
    for known in (_NUMBER.fullmatch, _SPELLED.get):
        places = [place for place, word in enumerate(words) if known(word)]
        near = [place for place in places if set(words[place + 1 : place + 4]) & set(ITEMS)]
        if places:
            word = words[(near or places)[0]]
            return f"{_SPELLED.get(word) or float(word.replace(',', '')):g}"
    return "0"


def _slip(number: str, turn: int) -> str:
    ways: tuple[Callable[[float], float], ...] = (
        lambda n: n + 3, lambda n: n * 10, lambda n: n // 2, lambda n: 0, lambda n: n - 1,
        lambda n: float(str(int(n))[::-1]), lambda n: n + 20, lambda n: 7, lambda n: 3 * n,
    )  # fmt: skip
    return f"{ways[turn % len(ways)](float(number)):g}"


def order(kind: str, draw: random.Random) -> Order:
    """Return a message of a cause, or one that is `easy`, `alike` or `slip`, by its templates.

    Drawn again until the student fails in it by its cause alone, or not at all, or by a slip.
    """
    templates = CAUSES.get(kind, ALIKE if kind == "alike" else EASY)
    while True:
        text, pieces = _filled(kind, draw.choice(templates), draw)
        message = _framed(text, draw)
        # By all that it can, and by what it says in the end.
        right = [_taken(message) == str(pieces), student(message).endswith(f"#### {pieces}")]
        if slips(message) == (kind == "slip") and right == [
            kind not in CAUSES,
            kind not in (*CAUSES, "slip"),
        ]:
            return Order(message, pieces, kind if kind in CAUSES else "")


def _filled(kind: str, template: str, draw: random.Random) -> tuple[str, int]:
    """Return a template with its places filled, and the pieces that it comes to."""
    in_words = draw.random() < 0.45
    a, b = draw.sample(range(24, 90), 2)
    p, k, n, d = draw.randint(9, 38), draw.randint(2, 8), draw.randint(2, 9), draw.randint(3, 28)
    hundreds = draw.choice([1100, 1200, 1250, 1400, 1500, 1800, 2100, 2400, 2750, 3200, 3600, 4500])
    if kind == "subtract":
        a, b = max(a, b) + 5, draw.randint(3, 19)
    pieces = {
        "correction": b, "multiply": p * k, "subtract": a - b, "separator": hundreds,
        "dozen": n * (2 if "pairs" in template else 12),
    }.get(kind, hundreds if "{h}" in template else a)  # fmt: skip

    def put(number: int) -> str:
        return spelled(number) if in_words and number < 100 else str(number)

    split = f"{hundreds // 1000}{draw.choice('.. ')}{hundreds % 1000:03}"
    comma = f"{hundreds:,}" if draw.random() < 0.5 else str(hundreds)
    values = {
        "a": put(a), "b": put(b), "p": put(p), "k": put(k), "n": str(a) if kind == "alike" else put(n),
        "w": spelled(a), "d": str(d), "t": str(draw.randint(6, 11)), "c": str(draw.randint(110, 989)),
        "s": split, "h": comma, "item": draw.choice(ITEMS), "day": draw.choice(DAYS), "month": draw.choice(MONTHS),
    }  # fmt: skip
    text = template.format(**values)
    return text[0].upper() + text[1:], pieces


def _framed(text: str, draw: random.Random) -> str:
    """Return a message with a greeting, remarks beside the matter and a name, each there or not."""
    parts = [draw.choice(OPENERS)] if draw.random() < 0.5 else []
    parts += [draw.choice(EXTRAS)] if draw.random() < 0.2 else []
    parts += [text, *draw.sample(EXTRAS, draw.choice([0, 0, 1, 1, 2]))]
    parts += [f"{draw.choice(('Best,', 'Yours,', 'Cheers,', '-'))} {draw.choice(NAMES)}"] * (
        draw.random() < 0.4
    )
    return " ".join(parts)

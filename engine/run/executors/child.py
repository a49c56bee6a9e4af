"""A worker: `python -m engine.run.executors.child PARENT_PID DESCRIPTOR`; does what comes over a pipe until that ends.

Ends with its parent. A student is loaded at the first work that needs it, and stays. SIGINT ends the work that is under
way, as Ctrl-C does: a training saves its checkpoint first.
"""

from __future__ import annotations

import signal
import sys
from multiprocessing.connection import Connection

from engine.backends.lifetime import die_with
from engine.run.executors.messages import Failure, Order, Result, Rows, Telling
from engine.run.executors.performing import Performer, Shared


def serve(connection: Connection) -> None:
    """Do work until nobody sends any more."""
    shared: Shared = connection.recv()
    shared.hold()
    performer, rows = Performer(shared, Telling(connection.send)), Rows()
    try:
        while True:
            try:
                order: Order = connection.recv()
            except (EOFError, OSError, KeyboardInterrupt):
                return
            connection.send(done(performer, rows, order))
    finally:
        performer.close()


def done(performer: Performer, rows: Rows, order: Order) -> Result:
    """Return what comes of an order, an error too."""
    try:
        return performer.perform(rows.work(order))
    except BaseException as error:
        return Failure.of(error)


def main(arguments: list[str]) -> int:
    """Serve the parent whose pid comes first, over the descriptor that comes second."""
    # A driver that a script put into the background was started with SIGINT ignored, and its workers inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    die_with(int(arguments[0]))
    serve(Connection(int(arguments[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

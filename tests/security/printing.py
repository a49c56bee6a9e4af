"""Every place in the engine that writes to a terminal or a pipe itself, and why what it writes is harmless.

Everything else prints by a console of `cli/terminal/output.py` or by `cli/terminal/streams.py`, which clean it.
"""

CLEAN = "clean: it is what the others print by"
CHILD = "JSON for the engine's own parent process, which reads it"
JSON = "JSON in which unseen characters are escaped (plain_text.clean_json)"
CSV = "CSV whose cells are clean (plain_text.cell), unless --raw is said"

PRINTING = {
    "backends/serving/guidellm.py::main": CHILD,
    "backends/serving/vllm_child.py::tell": CHILD,
    "backends/training/child.py::emit": CHILD,
    "backends/training/launch.py::main": CHILD,
    "cli/__init__.py::main": "closes standard error, where a pipe's reader is gone",
    "cli/terminal/ending.py::output_failed": "writes out what is clean already",
    "cli/patterns/listing.py::export_patterns": CSV,
    "cli/versions/diff.py::diff_command": JSON,
    "cli/review/keys.py::text": "reads; its prompt is clean (cli.review.session)",
    "cli/site/validation.py::print_problem": JSON,
    "cli/sql/console.py::converse": "reads; its prompts are the engine's own",
    "cli/terminal/output.py::make_console": CLEAN,
    "cli/terminal/streams.py::print_anything": "says what becomes of what an encoding lacks",
    "cli/terminal/streams.py::print_records": JSON,
    "cli/terminal/streams.py::write": CLEAN,
    "system/log_writing.py::handleError": "clean (plain_text.clean)",
}

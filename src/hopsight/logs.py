"""Logs go to stderr: lines for a person on a terminal, one JSON object a line otherwise."""

import logging
import sys

import structlog


def write_logs(*, level: int = logging.INFO) -> None:
    """Set up logging for this process."""
    renderer: structlog.types.Processor = (
        # Plain tracebacks: the pretty ones print variables, and with them credentials.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # What libraries say: faults only.
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR, format="%(message)s")

"""Set-up talks line by line."""


def say(message: str) -> None:
    # Flushed: downloads take minutes, and `make` or a log file would hold the line back.
    print(f"setup: {message}", flush=True)

"""`python -m unspoken`: the same as the command `unspoken`."""

from unspoken.cli import app

if __name__ == "__main__":
    app(prog_name="unspoken")

"""`python -m service` is the `conversations` command."""

from service.cli import main

main()

"""`python -m service` is the `conversations` command."""

from service.entry import main

main()

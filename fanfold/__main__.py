"""`python -m fanfold`: the same as `fanfold`."""

from fanfold.cli.main import main

main()

"""The build: one text a day in `solutions/` becomes the notebook that learners get in `course/`.

    sources    reads the texts (Jupytext MyST) and the table of days
    check      what the build refuses, each reason in one sentence
    assemble   a text becomes an nbgrader source notebook: cell ids, metadata, the set-up cell, the map
    release    nbgrader's own generate_assignment takes the solutions out
    __main__   the command: `python -m autograder.build [--check]`

The same sources give the same bytes: nothing here is random, and nothing asks what time it is.
"""

"""nbgrader with our examiner in it: the course, the submissions, and the two steps that `nbgrader autograde` runs.

course     makes the course's folder: sources, release, gradebook, nbgrader_config.py
collect    puts submissions where nbgrader looks for them
restore    a submission in a form that nbgrader can read, whatever has become of it; `Restore` is the step
examine    `Examine`, the step in place of nbgrader's Execute: the learner's code never runs in a kernel
"""

from autograder.nbgrader.examine import Examine
from autograder.nbgrader.restore import Restore

__all__ = ["Examine", "Restore"]

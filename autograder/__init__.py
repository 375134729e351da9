"""The grader. Reading order:

rubric, misconception            how a day's checks, and its known wrong answers, are written
expect, rand                     what they are written with
remote, wire, worker             how they reach the learner's code: plain data, and who answers on the other side
jail                             where that code runs: levels first, then nursery, keeper and handling
submission, library              what was handed in; the library as it stood before an exercise
session, examine, picture        one notebook run, one exercise judged and drawn
grade, report                    one submission, from bytes to report
batch, cluster, gradebook, cli   a class
names                            what report files may be called
verify, bundle                   `autograder verify` and `autograder release`
build, nbgrader                  how the notebooks are made; nbgrader's commands with our examiner in them
"""

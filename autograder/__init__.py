"""The grader. Reading order: rubric and misconception (how a day's checks are written), expect and rand (what
they are written with), remote, wire and worker (how they reach the learner's code), examine (how an exercise
is judged), submission, report, gradebook and cli (how a class is graded), build (how the notebooks are made).
"""

"""Where learners' code runs: processes that can do nothing but compute and answer.

levels      the rungs of the jail, from the strongest that the system allows
nursery     the warm process of which each worker is a fork; it holds no secrets
handling    the grader's side: start a nursery, get workers from it, end them
linux       the system calls that this needs; calls: those that a worker may make
"""

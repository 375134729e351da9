"""Handmade: a language model, built by hand. The library that the course's notebooks stand on.

The modules follow the course. Answers to exercises: prelude (day 0), tokenizers (1, 16), data (2, 16),
embeddings (3), training (4, 17, 20), checkpoints (20), device (17), tiny (5, 7), experiments (6), model (8,
11-14), attention (9, 10), objective (15), optim (4, 18, 19), history (21), sampling (22, 24-26), search (23),
generate (27), judging (28).
Not answers: corpus, calculator, plots, widgets, progress, runlog, distributed, check, files, errors.

Nothing is imported here, so that `import handmade` costs nothing and a notebook says what it uses.
"""

__version__ = "0.1.0"

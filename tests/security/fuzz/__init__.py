"""Seeded fuzzing: mutated recipes, data, results, stores and replies, through the commands that read them.

`python -m tests.security.fuzz --seed 1 --recipes 2000 --data 500 --batches 400 --stores 60 --replies 500` tries as
many of each and ends with 0 where all of them end as they should: exit code 0, 2 or another documented one, no
traceback, no more than 20 seconds, no more than 2 GB. What endless queries, regular expressions and templates take is
bounded elsewhere: no mutation makes one on purpose.
"""

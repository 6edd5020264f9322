"""Listening tests: which sounds people hear, what they answered, and what follows from it.

CAG is the quality of a sound, REL how well it fits its words, both 0 to 100. A set is chosen by seed (choice.py),
copied so that only the sound itself can tell where it comes from (copies.py), kept with every answer in the catalogue
(book.py), and summed up with intervals (means.py), agreement (agreement.py) and correlations (correlation.py).
"""

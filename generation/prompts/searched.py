"""Names and misspellings that people search for and that no caption says.

Every word of instruments.py and timbre.py may be drawn for a training caption, so a new word there changes what a
corpus is captioned with and the words that a tokenizer is fitted to. These are understood alike and drawn by nothing.
One line (continued by deeper indented ones) adds to one entry of these tables: its term; English names; Spanish
names; misspellings ("o/a" stands for both genders).
"""

from __future__ import annotations

SEARCHED_TABLE = """
    acoustic; ; ; acoustik
    electronic; ; ; elecrtico/a
    bright; ; ; brilante
    fast_decay; ; ; pizicato
    upright bass; bowed bass, arco bass, stand up bass; bajo frotado, bajo con arco;
    electric bass; picked bass, fingered bass, finger bass; bajo con púa, bajo con dedos;
    synth bass; square bass, square wave bass, saw bass, saw wave bass, sawtooth bass, sine bass, sine wave bass,
        triangle bass, triangle wave bass, hoover bass, analog bass, analogue bass; bajo cuadrado, bajo de onda
        cuadrada, bajo de sierra, bajo de diente de sierra, bajo de onda de sierra, bajo sinusoidal, bajo de onda
        sinusoidal, bajo triangular, bajo de onda triangular, bajo analógico;
    brass; ; viento de metal, vientos de metal;
    concert flute; ; flauta traversa, flauta transversal;
    acoustic guitar; cuban tres; tres cubano;
    nylon guitar; venezuelan cuatro; guitarrón, vihuela, requinto, guitarra criolla, cuatro venezolano;
    upright piano; una corda; ;
    bell; ; campanita, campanitas;
    synth mallet; digital bell, digital bells; campana digital, campanas digitales;
    clarinet; ; clarinete requinto;
    violin; ; ; vilon
    synth strings; solina; ;
    saw lead; hoover, hoovers; ;
    synth_lead; analog lead, analogue lead; lead analógico;
    """

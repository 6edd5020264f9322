"""What producers call a sound's source, its timbre and the way it is played, in English and Spanish.

Each NSynth source and quality has a block of lines "key: words". Adjectives and phrases are the words
captions draw from; "other" words are understood but not written; "implies" (sources) are words that
settle the source without meaning it (a DX7 is a synthesiser). In Spanish "cálido/a" stands for both
genders. Qualities follow the definitions of the NSynth paper (Engel et al. 2017, arXiv:1704.01279,
section 4 and its dataset page): "dark" is the lack of high frequencies that is also called warm, and
"percussive" is a loud non-harmonic sound at the onset.

SEARCH_ONLY holds words that are known but settle nothing: "tremolo" may be bowing or an effect, "muted"
shortens a guitar and not a trumpet, a pad has no family. They help a text search and label nothing. THINGS says
which words of both kinds name a thing.
"""

from __future__ import annotations

SOURCE_TABLE: dict[str, str] = {
    "acoustic": """
        adjectives: acoustic
        other: unplugged, acoustical, acoustically
        spanish: acústico/a
        misspelled: accoustic, acustic, acoutic, acousitc
        implies: desenchufado/a
        """,
    "electronic": """
        adjectives: electric, electronic
        other: amplified, amped, electrically amplified
        spanish: eléctrico/a, electrónico/a
        misspelled: eletric, electirc, elctric, electronik, eletronic
        implies: amplificado/a
        """,
    "synthetic": """
        adjectives: synth, synthetic, synthesized
        other: synths, synthesizer, synthesizers, synthesiser, synthesised, synthy, sintetizador,
            sintetizadores, sinte, sintes
        spanish: sintético/a, sintetizado/a
        misspelled: syntetic, synthesizor, synthetizer, sythn, snyth, sinth
        implies: wavetable, fm, fm synthesis, frequency modulation, subtractive, additive synthesis,
            supersaw, sawtooth, saw, saw wave, square wave, sine, sine wave, triangle wave, pulse wave,
            moog, minimoog, juno, dx7, prophet 5, modular, polysynth, chiptune, chip, 8 bit, 8bit, virtual
            analog, analog synth, analogue synth, tabla de ondas, onda cuadrada, onda sinusoidal, diente
            de sierra, onda de sierra
        """,
}

QUALITY_TABLE: dict[str, str] = {
    "bright": """
        adjectives: bright, brilliant, shiny, crisp, sparkling, glassy
        phrases: a bright tone, plenty of sparkle
        other: brightness, sparkle, sparkly, shimmering, shimmery, glistening, glass, crystalline, trebly,
            tinny, piercing, shrill, cutting, brilliance
        spanish: brillante, claro/a, cristalino/a, luminoso/a
        spanish phrases: mucho brillo
        spanish other: chillón, chillona, brillantes, resplandeciente, vidrioso/a, brillo
        misspelled: brigth, brihgt, birght, brillant, shinny, britght
        """,
    "dark": """
        adjectives: dark, warm, mellow, muffled, dull, round
        phrases: a dark tone, plenty of warmth
        other: darkness, warmth, rounded, muddy, murky, smoky, velvety, woolly, low passed, lowpassed,
            rolled off, bassy
        spanish: oscuro/a, cálido/a, apagado/a, opaco/a, aterciopelado/a
        spanish phrases: mucha calidez
        spanish other: obscuro/a, redondo/a, sombrío/a, suave y oscuro/a, calidez
        misspelled: drak, darck, wamr, melow, mello, mufled
        """,
    "distortion": """
        adjectives: distorted, gritty, fuzzy, overdriven, crunchy, dirty, saturated
        phrases: distortion, fuzz, overdrive, saturation
        other: distort, grit, crunch, driven, bitcrushed, bit crushed, bitcrush, crushed, grungy, grimy,
            scuzzy, blown out, broken up, clipped
        spanish: distorsionado/a, saturado/a, sucio/a, crujiente
        spanish phrases: distorsión, saturación
        spanish other: sobresaturado/a, con fuzz, crujientes
        misspelled: distored, distrotion, disorted, distorsioned, destorted, distortd, grittty
        """,
    "fast_decay": """
        adjectives: short, plucked, staccato, snappy, plucky
        phrases: a fast decay, a quick decay
        other: pluck, plucks, pizzicato, pizz, stab, stabs, stabby, short decay, fast decaying, quickly
            decaying, decays fast, damped, palm muted, brief, blip, blippy, spiccato
        spanish: corto/a, punteado/a, pulsado/a, breve
        spanish phrases: decaimiento rápido, caída rápida
        spanish other: pinzado/a, decaimiento corto, cortos, cortas, puntear
        misspelled: shrot, pluked, plukced, stacatto, stacato, pizzacato, snapy
        """,
    "long_release": """
        adjectives: long, lingering, ringing
        phrases: a long release, a long tail, a slow release
        other: slowly fading, fading, long decay, slow decay, ringing out, rings out, let ring, lets ring,
            trailing, never ending, endless
        spanish: largo/a, prolongado/a
        spanish phrases: cola larga, liberación larga, caída lenta
        spanish other: release largo, largos, largas, interminable, que se desvanece
        misspelled: lnog, longg, lingerring, long relase
        """,
    "multiphonic": """
        adjectives: chordal, polyphonic, multiphonic
        phrases: a chord, several notes at once
        other: chord, chords, harmony, harmonies, harmonized, power chord, multi note, multiphonics,
            stacked notes
        spanish: polifónico/a, multifónico/a
        spanish phrases: acordes, varias notas a la vez
        spanish other: acorde, en acorde, armonizado/a
        misspelled: chrod, chrods, poliphonic, polyfonic
        """,
    "nonlinear_env": """
        adjectives: evolving, swelling, morphing
        phrases: a swell, an evolving envelope, a filter sweep
        other: nonlinear envelope, non linear envelope, non linear env, evolves, swell, swells, fade in,
            fading in, slow attack, crescendo, sweep, sweeping, filter envelope, wah, wah wah, reversed,
            reverse
        spanish: cambiante, creciente
        spanish phrases: envolvente no lineal, barrido de filtro
        spanish other: evolutivo/a, ataque lento, barrido, invertido/a, al revés
        misspelled: evovling, swellling, morfing, cresendo
        """,
    "percussive": """
        adjectives: percussive, punchy, clicky
        phrases: a hard attack, plenty of punch
        other: punch, knocky, thumpy, thump, thwack, hard hitting, strong attack, sharp attack, struck,
            hammered, hit, hits, slap, slapped, slapping, slappy, key click, click, clicking
        spanish: percusivo/a, contundente, golpeado/a
        spanish phrases: mucha pegada, ataque fuerte
        spanish other: percutido/a, pegada, golpe, con golpe, palmeado/a
        misspelled: percusive, percussiv, punchey, puncy, slaped
        """,
    "reverb": """
        adjectives: reverberant, ambient, wet, roomy, spacious, echoing
        phrases: reverb, room reverb, a hall reverb
        other: reverbed, reverby, reverberated, reverberation, verb, echo, echoes, echoey, room, in a
            room, hall, in a hall, cathedral, in a church, cavernous, plate reverb, spring reverb, washy,
            washed out, ambience
        spanish: reverberante, ambiental, espacioso/a, mojado/a
        spanish phrases: reverberación, reverb, eco
        spanish other: reverberado/a, húmedo/a, con sala, de sala, ecos
        misspelled: reverv, rever, revreb, reberb, riverb, ambiant, anbient
        """,
    "tempo-synced": """
        adjectives: pulsing, arpeggiated, rhythmic, wobbling
        phrases: a wobble, an arpeggio, a rhythmic pulse
        other: synced to tempo, beat synced, bpm synced, wobble, wobbly, wobbles, pulsating, throbbing,
            arp, arps, arpeggio, arpeggios, arpeggiator, stutter, stuttering, pumping, sidechained, trance
            gate, gated, rhythmical
        spanish: pulsante, rítmico/a, arpegiado/a
        spanish phrases: arpegio, pulso rítmico
        spanish other: arpegios, oscilante, palpitante, sincronizado/a, sincronizado al tempo,
            sincronizada al tempo
        misspelled: pulseing, arpegiated, arpegio, arppegiated, rythmic, rithmic, woble, wobbel
        """,
}

EXCLUSIVE_PAIRS = (("bright", "dark"), ("fast_decay", "long_release"), ("reverb", "tempo-synced"))
"""Qualities that never meet on one NSynth note."""
OPPOSITE = {a: b for pair in EXCLUSIVE_PAIRS for a, b in (pair, pair[::-1])}
"""The quality that each of these excludes."""

SEARCH_ONLY = """
    pad, drone, texture, atmosphere, atmospheric, soundscape, growl, growling, growly, dry, soft, hard,
    loud, quiet, gentle, deep, low, high, fat, thick, thin, wide, big, huge, small, clean, pure, hollow,
    nasal, breathy, airy, woody, wooden, metallic, metal, noisy, noise, harsh, raw, vintage, retro,
    modern, classic, lofi, lo fi, hifi, cinematic, epic, sad, happy, aggressive, smooth, sweet, moody,
    ethereal, dreamy, eerie, spooky, lush, rich, full, heavy, light, tight, loose, sharp, flat, buzzy,
    buzzing, resonant, inharmonic, organic, natural, real, live, analog, analogue, digital, granular,
    sampled, mellotron, tape, vinyl, electro, electroacoustic, orchestral, orchestra, orchestra hit,
    ensemble, section, solo, unison, octave, octaves, layered, stacked, detuned, chorus, phaser, phased,
    flanger, delay, delayed, stereo, mono, compressed, filtered, resonance, vibrato, tremolo, trill,
    glide, portamento, glissando, bend, sustained, sustain, held, legato, bowed, arco, picked, fingered,
    fingerstyle, strummed, muted, mute, breath, blown, open, closed, attack, release, decay, envelope,
    fast, slow, quick, soprano, alto, tenor, baritone, contralto, male, female, men, women, boys, vibes,
    vibe, fifth, fifths, harmonic, harmonics, charang, acid, techno, house, trap, dubstep, drum and bass,
    drum n bass, dnb, future bass, bass house, bass music, trance, funk, funky, jazz, jazzy, rock,
    pop, hip hop, disco, gospel, blues, folk,
    ethnic, world, medieval, baroque, classical, gaming, arcade, horror, moving, kick, kick drum, bass
    drum, snare, snare drum, hi hat, hihat, hat, clap, tom, toms, cymbal, crash, ride, drum, drums,
    percussion, shaker, tambourine, triangle, woodblock, timpani, timbales, bongo, conga, musical saw,
    woodwind, woodwinds, wind, winds, riser, sound effect, fx, sfx, loop, dulcimer, didgeridoo, agogo,
    square, hard sync, talkbox, talk box, beatbox, seco, seca, suave, duro, dura, grave, agudo, aguda,
    limpio, limpia, gordo, gorda, fino, fina, grande, gigante, alegre, triste, misterioso, misteriosa,
    agresivo, agresiva, moderno, moderna, antiguo, antigua, metálico, metálica, nasal, soplado, soplada,
    frotado, frotada, rasgueado, rasgueada, sostenido, sostenida, ligado, ligada, sordina, con sordina,
    viento, vientos, viento madera, vientos madera, viento de madera, vientos de madera, maderas, tambor,
    batería, bombo, caja, platillo, percusión, gong, cowbell, cencerro, wood block, caja china, bloque de
    madera, log drum, col legno, falsetto, falsete, yodel, barítono, atmósfera,
    atmosférico, atmosférica, textura, analógico, analógica, ruidoso, ruidosa, áspero, áspera, rasposo,
    rasposa, dulce, potente, lento, lenta, rápido, rápida, masculino, femenino, orquesta, orquestal,
    profundo, profunda, delgado, delgada, colchón, zumbido
    """

THINGS = """
    brightness, sparkle, brilliance, brillo, darkness, warmth, calidez,
    grit, crunch, bitcrush, distrotion, con fuzz,
    pluck, plucks, stab, stabs, pizzicato, short decay, blip, decaimiento corto,
    long decay, slow decay, long relase, release largo,
    chord, chords, harmony, harmonies, power chord, multiphonics, stacked notes, acorde, chrod, chrods,
    nonlinear envelope, non linear envelope, nonlinear env, non linear env, filter envelope, swell, swells, fade in,
    slow attack, crescendo, cresendo, sweep, wah, wah wah, ataque lento, barrido,
    punch, thump, thwack, strong attack, sharp attack, hit, hits, slap, key click, click, clicking, pegada, golpe,
    reverberation, verb, echo, echoes, room, hall, cathedral, plate reverb, spring reverb, ambience, ecos, reverv,
    rever, revreb, reberb, riverb, wobble, wobbles, arp, arps, arpeggio, arpeggios, arpeggiator, stutter, trance gate,
    arpegios,
    synths, synthesizers, sintetizadores, sintes,
    pad, drone, texture, atmosphere, soundscape, growl, noise, resonance, vibrato, tremolo, trill, chorus, phaser,
    flanger, delay, glide, portamento, glissando, bend, sustain, mute, breath, attack, release, decay, envelope,
    unison, octave, octaves, fifth, fifths, harmonic, harmonics, ensemble, section, orchestra, orchestra hit,
    men, women, boys, vibes, vibe, kick, kick drum, bass drum, snare, snare drum, hi hat, hihat, hat, clap, tom, toms,
    cymbal, crash, ride, drum, drums, percussion, shaker, tambourine, triangle, woodblock, timpani, timbales, bongo,
    conga, musical saw, woodwind, woodwinds, wind, winds, riser, sound effect, fx, sfx, loop, dulcimer, didgeridoo,
    agogo, gong, cowbell, cencerro, wood block, caja china, bloque de madera, log drum, talkbox, talk box, beatbox,
    falsetto, falsete, yodel, sordina, viento, vientos, viento madera, vientos madera, viento de madera,
    vientos de madera, maderas, tambor, batería, bombo, caja, platillo, percusión, atmósfera, textura,
    orquesta, colchón, zumbido
    """
"""Words above that name what sounds or what a sound has, as the phrases of the qualities and all instruments do. The
others say how it sounds, and something may follow that they belong to: "no harsh distortion"."""

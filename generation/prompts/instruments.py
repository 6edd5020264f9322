"""Names of instruments in English and Spanish, with their NSynth family and common misspellings.

One line (continued by deeper indented ones) is one instrument: name; source; other English names; Spanish
names; misspellings. The source stays empty where the word alone does not settle it (a choir may be sung,
sampled or synthesised). The line named after its family holds the words that mean the whole family. "/f"
marks a feminine Spanish noun, and the first Spanish name is the one captions use. A leading "~" marks a
weak word, which names its family only where no other instrument is mentioned: in "guitar lead" it is the
guitar that sounds.

NSynth never says which instruments it sampled, so families follow our own corpus (corpus/programs.py)
and General MIDI: plucked necks and the koto are guitars, harps are strings, struck bars and bells are
mallets, the accordion is an organ and a double bass is a bass. Synthesised brass, strings and organs are
"electronic", because NSynth has no synthetic ones. What fits nowhere (drums, timpani) is listed in
timbre.py as understood for search only.
"""

from __future__ import annotations

INSTRUMENT_TABLE: dict[str, str] = {
    "bass": """
        bass; ; basses, bass note, bass tone; bajo; bas, basss, bsas
        upright bass; acoustic; double bass, contrabass, string bass, standup bass; contrabajo; uprite
            bass, doublebass
        electric bass; electronic; bass guitar, electric bass guitar, fretless bass, p bass, j bass; bajo
            eléctrico, guitarra bajo; eletric bass
        acoustic bass guitar; acoustic; ; bajo acústico; acustic bass guitar
        sub bass; ; sub, subbass; subgrave, sub bajo; sub bas
        808 bass; synthetic; 808, 808s, tr 808, tr808, 808 sub; bajo 808; 808 bas
        acid bass; synthetic; 303, tb 303, tb303, 303 bass; bajo ácido; acid bas
        reese bass; synthetic; reese; bajo reese; reece bass
        synth bass; synthetic; bass synth, moog bass, synthesizer bass; bajo sintetizado, bajo de
            sintetizador, bajo de sinte; synth bas
        """,
    "brass": """
        brass; ; brasses, brass section, horn section, horns, horn; viento metal, metales, vientos metal,
            sección de metales; bras, brasss
        trumpet; acoustic; solo trumpet; trompeta/f; trumpit, trumpt, trupmet, trompet
        muted trumpet; acoustic; harmon mute trumpet; trompeta con sordina/f; muted trumpit
        cornet; acoustic; ; corneta/f; cornett
        flugelhorn; acoustic; flugel horn, fluegelhorn, flugel; fliscorno; flugalhorn, flugehorn
        trombone; acoustic; bass trombone, tenor trombone; trombón, trombón de varas; trambone, tromobone,
            trombonne
        french horn; acoustic; orchestral horn; trompa/f, corno francés, corno; french hron, frnech horn
        tuba; acoustic; bass tuba; tuba/f; tooba, tubba
        euphonium; acoustic; baritone horn; bombardino, eufonio; euphoniam, eufonium
        synth brass; electronic; brass synth, synthesizer brass; metal sintetizado, metales de
            sintetizador; synth bras
        """,
    "flute": """
        flute; ; flutes; flauta/f; flut, fluet, floot, flutte
        concert flute; acoustic; transverse flute, alto flute, bass flute; flauta travesera/f, flauta
            alto; concert flut
        piccolo; acoustic; piccolo flute; flautín, píccolo; picolo, picollo, piccollo
        recorder; acoustic; sopranino recorder, alto recorder, tenor recorder; flauta dulce/f, flauta de
            pico; recoder
        pan flute; acoustic; panflute, pan pipes, panpipes, pan pipe, siku; flauta de pan/f, zampoña; pan
            flut, pan fluet
        ocarina; acoustic; ; ocarina/f; occarina, ocharina
        shakuhachi; acoustic; ; shakuhachi; shakuachi, shakuhatchi
        bansuri; acoustic; ; bansuri; bansori
        dizi; acoustic; ; dizi;
        ney; acoustic; ney flute; ney;
        fife; acoustic; ; pífano;
        quena; acoustic; kena; quena/f; qena
        whistle; ; whistles; silbato; wistle, whisle
        tin whistle; acoustic; penny whistle, irish whistle, low whistle; flauta irlandesa/f; tin wistle
        blown bottle; acoustic; bottle blow; botella soplada/f; blown botle
        """,
    "guitar": """
        guitar; ; guitars, gtr, lead guitar, rhythm guitar, guitar string, guitar strings; guitarra/f;
            guitarr, gutiar, giutar, gitar, guiter, guittar, guitr
        acoustic guitar; acoustic; steel string guitar, folk guitar; guitarra acústica/f, guitarra de
            acero; acustic guitar, accoustic guitar
        nylon guitar; acoustic; nylon string guitar, classical guitar, spanish guitar, flamenco guitar;
            guitarra española/f, guitarra clásica, guitarra flamenca; nilon guitar
        electric guitar; electronic; e guitar, jazz guitar, strat, stratocaster, telecaster, les paul;
            guitarra eléctrica/f; eletric guitar, electic guitar
        12 string guitar; ; twelve string guitar, 12 string; guitarra de doce cuerdas/f; 12 sting guitar
        pedal steel; electronic; pedal steel guitar, lap steel, lap steel guitar; guitarra de pedal/f;
            peddle steel
        resonator guitar; acoustic; dobro; guitarra resonadora/f; resonater guitar
        banjo; acoustic; ; banjo, banyo; bango, banjoe
        mandolin; acoustic; mandola; mandolina/f, bandolina; mandoline, mandalin, mandolyn
        ukulele; acoustic; uke; ukelele; ukalele, ukuele, ukulel
        lute; acoustic; theorbo; laúd; lut
        oud; acoustic; ; ud;
        sitar; acoustic; ; sitar; sitarr, sittar
        bouzouki; acoustic; ; buzuki; bouzuki
        balalaika; acoustic; ; balalaica/f; balalayka
        charango; acoustic; ; charango; charrango
        shamisen; acoustic; samisen; shamisén; shamizen
        pipa; acoustic; ; pipa/f;
        koto; acoustic; guzheng; koto; kotto
        synth guitar; synthetic; guitar synth, synthesizer guitar; guitarra sintetizada/f; synth guitr
        """,
    "keyboard": """
        keyboard; ; keyboards, keys; teclado, teclas; keybord, keyborad, kyeboard, keybaord
        piano; ; pianos, pno, pianoforte; piano; pinao, paino, piona, pianno, paiano
        grand piano; acoustic; concert grand, concert piano, acoustic piano, baby grand, steinway; piano
            de cola, piano de concierto; grand pinao, gran piano
        upright piano; acoustic; honky tonk piano, honky tonk, tack piano, felt piano; piano vertical,
            piano de pared; uprite piano
        harpsichord; acoustic; cembalo, spinet; clavecín, clavicémbalo; harpsicord, harpsichrod,
            harpischord, harpsicorde
        clavichord; acoustic; ; clavicordio; clavicord
        electric piano; electronic; e piano, epiano, ep, electric keyboard; piano eléctrico; eletric
            piano, electric pinao
        rhodes; electronic; fender rhodes, rhodes piano, suitcase piano; piano rhodes; rodes, rhoads, rhods
        wurlitzer; electronic; wurli, wurly, wurlitzer piano; piano wurlitzer; wurlizter, wurlitser
        clavinet; electronic; clav, hohner clavinet; clavinete; clavinette, clavanet, clavient
        pianet; electronic; hohner pianet; pianete; pianett
        electric grand; electronic; electric grand piano, cp80, cp 80, cp70, cp 70; piano de cola
            eléctrico; eletric grand
        digital piano; ; stage piano, fm piano, fm electric piano, dx7 piano; piano digital; digital pinao
        toy piano; acoustic; ; piano de juguete; toy pinao
        synth keyboard; synthetic; synth keys, keyboard synth, synth piano, synthesizer keyboard; teclado
            sintetizado, teclado sintetizador; synth keybord
        """,
    "mallet": """
        mallet; ; mallets, mallet percussion, tuned percussion, pitched percussion; percusión afinada/f,
            láminas, mazas; mallett, malet
        bell; ; bells, church bell, church bells, handbell, handbells; campana/f, campanas, campanilla,
            campanillas; bel, bels
        marimba; acoustic; ; marimba/f; maraimba, marimbra
        xylophone; acoustic; xylo; xilófono, xilofón; xilophone, zylophone, xylaphone, xylophon
        vibraphone; acoustic; vibraharp, jazz vibes; vibráfono; vibrophone, vibraphon, vibrafone
        glockenspiel; acoustic; glock, bell lyre; glockenspiel, campanólogo; glockenspeil, glokenspiel,
            glockinspiel
        celesta; acoustic; celeste; celesta/f; chelesta
        tubular bells; acoustic; tubular bell, orchestral chimes; campana tubular/f, campanas tubulares;
            tubular bels
        chimes; ; chime; carillón; chymes
        music box; acoustic; musical box; caja de música/f; musicbox
        kalimba; acoustic; mbira, thumb piano; kalimba/f, sanza; kalimbra, calimba
        steel drum; acoustic; steel drums, steel pan, steelpan, steel pans; tambor metálico, tambor de
            acero; steeldrum, stell drum
        handpan; acoustic; hang drum; handpan; hanpan
        metallophone; acoustic; ; metalófono; metalophone, metallofone
        balafon; acoustic; ; balafón; ballafon
        gamelan; acoustic; ; gamelán; gamalan
        crotales; acoustic; antique cymbals; crótalos; crotals
        singing bowl; acoustic; tibetan bowl, singing bowls; cuenco tibetano; singing bowel
        hammered dulcimer; acoustic; cimbalom, santoor; dulcémele; hammer dulcimer
        synth mallet; synthetic; mallet synth, synth bell, synth bells, fm bell, fm bells; campana
            sintetizada/f; synth malet
        """,
    "organ": """
        organ; ; organs; órgano; orgn, ogran, orgran
        church organ; acoustic; pipe organ, cathedral organ; órgano de iglesia, órgano de tubos; chruch
            organ, church orgn
        hammond organ; electronic; hammond, hammond b3, b3 organ, hammond c3, tonewheel organ, drawbar
            organ, drawbar, drawbars, jazz organ, rock organ; órgano hammond; hamond, hammnod, hammon
            organ
        combo organ; electronic; farfisa, vox continental, vox organ, transistor organ; órgano de
            transistores; farfissa
        electric organ; electronic; electronic organ; órgano eléctrico; eletric organ
        theatre organ; acoustic; theater organ, wurlitzer organ; órgano de teatro; theatre orgn
        reed organ; acoustic; harmonium, pump organ; armonio, armonio de pedales; harmoniun
        accordion; acoustic; squeezebox; acordeón; accordian, acordion, acordian, accordeon
        bandoneon; acoustic; concertina; bandoneón; bandonion
        synth organ; electronic; organ synth, synthesizer organ; órgano sintetizado; synth orgn
        """,
    "reed": """
        reed; ; reeds, reed instrument, single reed, double reed; lengüeta/f, caña, cañas; reeed, reid
        saxophone; acoustic; sax, saxes; saxofón, saxo, saxófono; saxaphone, saxophne, saxofone, saxphone,
            saxohpone
        alto sax; acoustic; alto saxophone; saxofón alto, saxo alto; alto saxaphone
        tenor sax; acoustic; tenor saxophone; saxofón tenor, saxo tenor; tenor saxaphone
        soprano sax; acoustic; soprano saxophone; saxofón soprano, saxo soprano; soprano saxaphone
        baritone sax; acoustic; baritone saxophone, bari sax; saxofón barítono, saxo barítono; baritone
            saxaphone
        clarinet; acoustic; ; clarinete; clarinette, clarinett, clairnet, clarient, clarinit
        bass clarinet; acoustic; ; clarinete bajo; bass clarinette
        oboe; acoustic; ; oboe; obo, obboe, oboue
        english horn; acoustic; cor anglais; corno inglés; english hron
        bassoon; acoustic; contrabassoon; fagot, fagote; basson, basoon, bassoone
        harmonica; acoustic; mouth organ, blues harp; armónica/f; harmonika, harmonca
        melodica; acoustic; ; melódica/f; mellodica
        bagpipe; acoustic; bagpipes, uilleann pipes; gaita/f; bag pipe, bagpip
        duduk; acoustic; ; duduk; dudek
        shanai; acoustic; shehnai, shenai, zurna; shanai; shanaii
        synth reed; synthetic; synth sax, synth clarinet, synth oboe; saxofón sintetizado; synth saxaphone
        """,
    "string": """
        ~string; ; strings, bowed strings; cuerda/f, cuerdas; stirng, stirngs, strngs
        string section; acoustic; string orchestra, orchestral strings, string quartet; sección de
            cuerdas/f, cuerdas orquestales; sting section
        string ensemble; ; ensemble strings; conjunto de cuerdas; sting ensemble
        violin; acoustic; violins, solo violin; violín, violines; voilin, violen, vilolin, violine
        fiddle; acoustic; ; fídula/f; fidle, fiddel
        viola; acoustic; violas; viola/f; vioal
        cello; acoustic; cellos, violoncello; violonchelo, chelo, violoncelo; chello, celo, celllo, cellow
        harp; acoustic; harps, celtic harp, concert harp, lever harp; arpa/f; harpp, hrap
        zither; acoustic; autoharp; cítara/f; zitter
        erhu; acoustic; ; erhu; ehru
        viola da gamba; acoustic; viol; viola de gamba/f; viola de gambe
        hurdy gurdy; acoustic; ; zanfona/f, zanfoña; hurdi gurdi
        synth strings; electronic; synth string, string synth, string machine, synthesizer strings; cuerda
            sintetizada/f, cuerdas sintetizadas, cuerdas de sintetizador; synth stirngs
        """,
    "synth_lead": """
        synth lead; synthetic; lead synth, synth leads, synthesizer lead, solo synth, synth solo;
            sintetizador solista, sinte solista, lead de sintetizador; synth laed, snyth lead
        ~lead; synthetic; leads; solista; laed
        saw lead; synthetic; sawtooth lead, supersaw lead, saw leads; lead de sierra; saw laed
        square lead; synthetic; square wave lead, pulse lead; lead de onda cuadrada; squar lead
        chip lead; synthetic; chiptune lead, 8 bit lead; lead de chip; chip laed
        theremin; synthetic; ; theremín; theramin, therimin
        """,
    "vocal": """
        vocal; ; vocals, voice, voices, vox, lead vocal, lead vocals, lead voice; voz/f, voces, vocales;
            vocla, vocls, vioce
        choir; ; choirs, choral; coro, coros, coral; chior, coir
        choir aahs; ; aahs, aah, ahhs, ahh, choir ahs, voice aahs; coro de aes; choir ahhs
        voice oohs; ; oohs, ooh, choir oohs; voz en u/f; voice ohhs
        singer; ; singing, sung; cantante, canto, cantado, cantada; siner, singin
        chant; ; chants, chanting, gregorian chant; canto gregoriano; channt
        opera voice; acoustic; opera singer, soprano voice, tenor voice, operatic voice; voz lírica/f, voz
            de ópera; opra voice
        throat singing; acoustic; overtone singing; canto difónico; throat singin
        humming; ; hummed; tarareo; huming
        vocoder; ; vocoded, vocoder voice; vocoder; vocodor, vocorder
        synth voice; synthetic; synth vox, synth vocal, synth vocals, synth choir, voice synth; voz
            sintetizada/f, coro sintetizado; synth vioce
        """,
}

"""The logbook of a ship: terse, dated, in the past tense. Its crew signs on at the top and is met again below."""

RULES = """
voyage:
    2x {heading}{morning}{noon}{night}{signature}
    2x {heading}{morning}{noon}{evening}{night}{signature}
    {heading}{morning}{evening}{night}{signature}

heading:
    Log of the {ship as us}, {weekday}, {sea as here}./
        Mate: {sailor as m}. Cook: {sailor as c not m}. Cargo: {cargo as load}. Larder: {food as meal}.//

morning:
    {bell}: {weather as sky}. {wind}. Course {course as heading_for}. {m} {duty} until {bell}.//

noon:
    {bell}: {c} served {meal} with {food}. {m} found {finding as what} in the {meal}. {excuse}//

evening:
    {bell}: Sighted {sight as it} {direction}. {m} says: {sighting}. {c} says: {sighting}. {argument} {^it} {went}.//

night:
    {bell}: {^sky} again, and course {heading_for}. {accident} We {remedy as cure} with {load}._
        At {bell} we {cure} once more, with {food}.//

signature:
    Remember for tomorrow: no {meal}. Crew {spirits}; ship {state}./
        {m}, mate of the {us}. Witness: {c}, cook.///

bell:
    One Bell | Two Bells | Three Bells | Four Bells | Five Bells | Six Bells | Seven Bells | Eight Bells
    Dawn | Noon | Lamplight | Moonrise

weather:
    fog | drizzle | hail | sunshine | thick cloud | {colour} lightning | rain, quite {colour}
    snow in the rigging | heat

wind:
    Wind {strength} from {quarter} | No wind; the crew blew | Gale from {quarter}
    Breeze, smelling of {food}

strength:
    fresh | gentle | rude | lazy | steady | zigzagging | jolly | uncertain

quarter:
    the north | the south | the east | the west | below | all sides | Africa | Queensland | Java

course:
    north by {object} | south by {object} | east by {object} | west by {object} | unknown, towards {port}

port:
    Zanzibar | Lisbon | Xiamen | Jersey | Quebec | Valparaiso | Hull | Naples | Kiel | Oporto | Dakar
    Boston

object:
    lamplight | guesswork | the Pole Star | rumour | the captain's knee | ear | compass | parrot | memory
    request

duty:
    steered | slept at the helm | counted the {fish} | painted the {part} | sang to the {fish}
    mended the {part} | hauled on the {part} | climbed the {part} | quarrelled with the {part}
    oiled the {part} | lost the {part}

finding:
    a {colour} button | {count} of his own teeth | the key to the {part} | live {fish}
    a letter from {sailor} | the {part} | {count} more {fish}

excuse:
    He ate it. | Nobody was surprised. | It was thrown to the {fish}. | It has been entered as cargo.
    {c} wept. | {c} blames the {fish}. | The {part} is safe, at least. | The crew prefers {food}.

sight:
    a {colour} sail | a whale wearing a {garment} | an island shaped like a {garment}
    a raft of {colour} mermaids | a shoal of {colour} {fish} | a bottle holding a {garment}
    a pirate in a {vessel} | a second moon, {colour} | a lighthouse, adrift

direction:
    to port | to starboard | dead ahead | astern | overhead | below the keel

sighting:
    it is the {ship} | it wants our {part} | it waved a {garment} | it owes us {food}
    it is only {sailor} in a {vessel} | it was {colour} last year | he saw nothing
    no such thing exists {direction} | it knows the way to {port}

argument:
    They fought with {food}. | It was put to the vote. | The parrot agreed with both.
    The captain was not woken. | We fired {count} {fish} at it. | Lots were drawn for the {garment}.

went:
    sank | joined the crew | followed us all night | asked for {food} and left | turned out to be {sailor}
    sold us {count} {fish} | vanished at once | stayed for {food}

accident:
    The {part} broke. | The {fish} got into the {part}. | Lost the {part} in a bet.
    Somebody ate the {part}. | Struck {fish}, {colour}. | {sailor} fell over the {part}.
    The {part} is haunted.

remedy:
    stuffed the hole in the {part} | buttered the {part} | replaced the {part} | scared the {fish} away
    propped up the {part} | bribed the {fish} | polished both {fish} and {part}
    drove {count} nails through the {part}

spirits:
    cheerful | mutinous | asleep | knitting | fewer than this morning | in love | seasick but proud
    out of jokes

state:
    afloat | mostly afloat | leaking in {count} places | {colour} all over | facing backwards
    quite dry, oddly

count:
    two | three | four | five | six | seven | nine | eleven | twelve | twenty | forty | too many

colour:
    red | green | blue | yellow | purple | white | black | grey | silver | crimson | scarlet | violet | brown
    gold | pink

weekday:
    Monday | Tuesday | Wednesday | Thursday | Friday | Saturday | Sunday

sea:
    off the Cape | near Zanzibar | in the Yellow Sea | in the doldrums | beyond the map | at anchor, Lisbon
    off Xiamen | in sight of Jersey | among the Keys | under the equator | near Quebec | in Hudson's bath

fish:
    herring | mackerel | cod | sardines | eels | squid | lobsters | haddock | oysters | jellyfish
    anchovies | turbot | plaice | zander | walruses | kippers

part:
    mast | rudder | anchor | bowsprit | hatch | galley stove | wheel | foresail | mainsail | pump | keel
    jib | crow's nest | quarterdeck | figurehead | topsail | yardarm | lantern

garment:
    hat | wig | waistcoat | boot | kilt | bonnet | crown | necktie | nightcap | petticoat | scarf | glove
    jacket

vessel:
    bathtub | teacup | barrel | canoe | wardrobe | drum | raft | piano | zinc pail

food:
    porridge | salt beef | ship's biscuit | pea soup | dried figs | turnips | plum duff | treacle | cabbage
    hard cheese | onions | lemon curd | jam | rice | mustard | whale gravy | fried bread | quinces | yams
    noodles | vinegar | eggs

ship(name):
    Patient Goose
    Merry Widow
    Queen of Cups
    Three Sisters
    Gilded Turnip
    Flying Dustpan
    Honest Mistake
    Unlikely Venture
    Zephyr
    Nutmeg
    Old Excuse
    Jolly Beggar
    Lady Xenia
    Brave Kettle
    Empty Purse
    Vesper
    Distant Cousin
    Walrus

cargo(name):
    umbrellas
    church bells
    buttons
    feather beds
    pianos
    marble statues
    spare wooden legs
    dictionaries
    jam jars
    rubber stamps
    left gloves
    violins
    quilts
    yellow paint
    hymn books
    top hats
    zinc baths
    wax fruit
    candles
    unsold tickets

sailor(name):
    Abel Finch
    Barnaby Quill
    Caleb Stout
    Dov Marrow
    Elias Pike
    Fergus Oakum
    Giles Thimble
    Hugo Zander
    Ishmael Potts
    Jonah Wick
    Kwame Sparrow
    Lemuel Grubb
    Matteo Vane
    Ned Halyard
    Obadiah Jupp
    Pavel Rusk
    Quincy Bolt
    Rafe Tallow
    Silas Crumb
    Tam Yarrow
    Umberto Locke
    Viggo Brine
    Wilbur Knox
    Xavier Reef
    Yusuf Dray
    Zeke Ember
"""

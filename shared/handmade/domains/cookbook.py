"""A witch's cookbook: orders, in the imperative. What is listed at the top goes into the pot further down."""

RULES = """
recipe:
    2x {title}{two}{mixing}{heating}{serving}
    3x {title}{three}{mixing}{adding}{heating}{serving}

title:
    {cook as who}'s {quality as kind} {dish as what}/[For {guests as eaters}.]//

two:
    Take:/- {measure} of {stuff as f},/- {measure} of {stuff as g not f}.//

three:
    Take:/- {measure} of {stuff as f},/- {measure} of {stuff as g not f},/
        - {measure} of {stuff as h not f g}.//

mixing:
    First {blend as start} the {f} with the {g} in a {pot as vessel}, {manner as how},_
        until {sign}. {advice} Then {start} again, {how}.//

adding:
    Now {drop} the {h}, {manner}. Should the {h} {trouble as fuss}, {comfort as cure};_
        should the {g} {fuss} too, {cure} twice. {advice}//

heating:
    {heat} over a {fire as flame} until {sign as done}, and keep stirring {manner}._
        {advice} Take the {vessel} off the {flame} the moment {done}; the {f} must not {trouble}.//

serving:
    Serve the {kind} {what} to {eaters}, {manner}, and {garnish}. {review}///

cook:
    Old Mother Hubble | Cousin Agatha | Brother Jerome | The Toad Prince | Aunt Quickly | Doctor Vex
    Granny Zoot | King Olaf | Lady Wormwood | Uncle Ignatius | Young Fitz | Hungry Hans | Queen Mab
    Professor Yarrow | Nurse Bramble | Sister Rue

quality:
    famous | secret | second-best | invisible | Friday | regrettable | midnight | bottomless | exploding
    patient | velvet | quick | zesty | haunted | musical | jellied | upside-down | truthful | wedding | cold
    left-handed | giggling

dish:
    pie | soup | pudding | broth | dumplings | marmalade | omelette | trifle | stew | jelly | fritters
    crumble | kebab | quiche | hotpot | zabaglione | waffles | gingerbread | chutney | vol-au-vent

guests:
    {amount} {guest} | {amount} {mood} {guest} | one very {mood} {single}

amount:
    two | three | four | six | seven | nine | a dozen | forty | eighty | a roomful of | any number of

guest:
    giants | bishops | owls | cousins | dragons | pirates | ghosts | knights | tax collectors | wizards
    lawyers | vampires | jugglers | queens | elves | nephews | trolls

single:
    giant | bishop | owl | dragon | pirate | ghost | knight | wizard | vampire | mermaid | queen | troll

mood:
    hungry | sleepy | polite | jealous | ticklish | lonely | noisy | proud | vexed | cheerful | zealous
    forgetful | damp | quarrelsome

measure:
    {count} spoonfuls | {count} pinches | {count} bucketfuls | {count} thimblefuls | {count} jars
    {count} armfuls | {count} whispers | a hatful | a quart | a fistful | a wheelbarrow

count:
    two | three | four | five | seven | nine | eleven | twelve | sixteen | twenty

stuff(name):
    moonlight
    nettles
    dragon's breath
    cobwebs
    old jokes
    treacle
    toadstools
    frog song
    pepper
    spring rain
    goose feathers
    quicksilver
    thunder
    lost buttons
    honeycomb
    birthday wishes
    sour plums
    starch
    vinegar
    unicorn butter
    icicles
    zebra stripes
    apple cores
    rose water
    ink
    wool
    cat's whiskers
    left shoes
    black beans
    elbow grease
    kippers
    jumping beans
    oak leaves
    excuses
    xylophone dust
    violets

blend:
    beat | whisk | fold | rub | introduce | tangle | knead | grind | shake | marry

pot:
    cauldron | top hat | kettle | cracked bowl | drum | boot | jug | wardrobe | zinc bath | neighbour's sink
    teacup | violin case | helmet | lantern | pillowcase

manner:
    gently | backwards | with one eye shut | by moonlight | humming | without blinking | on tiptoe
    like a duchess | as if for the last time | in a foreign accent | quite slowly | under an umbrella
    with your elbows | very quietly | in waltz time | just so | while apologising | facing north

sign:
    the {animal} {reaction} | somebody {reaction} | it smells of {stuff} | it turns {colour}
    your {limb} turns {colour} | the clock strikes {count}

animal:
    cat | raven | toad | goat | owl | hedgehog | bat | fox | parrot | mouse | quail | zebra | donkey
    lizard

reaction:
    sneezes | weeps | leaves the room | asks for more | sings | nods | faints | begins to glow | hiccups
    tells the truth | goes quiet | quotes a proverb

colour:
    green | purple | pink | orange | blue | silver | yellow | mauve | transparent | crimson | khaki

limb:
    nose | left thumb | beard | elbow | shadow | right knee | hat | spoon | chin

advice:
    {sage} swears by this. | Do not {mistake}. | If in doubt, add {stuff}.
    This is how the {animal} lost its {limb}. | Keep the {animal} away. | Never mind the {colour} smoke.
    Some cooks prefer {stuff}. | Open a window. | Count to {count}. | Ask the {animal} for its opinion.
    Whoever {reaction} must wash up.

sage:
    My grandmother | Every witch | The {animal} | No sober cook | Half of Zanzibar | The Duke of Kent
    Nobody in Jericho

mistake:
    laugh | look inside | wake the {animal} | use your own {limb} | name it | trust the {animal} | sit down
    be {mood} | taste it yet

drop:
    drop in | coax in | smuggle in | sprinkle on | tip in | fling in | bow to, and add, | lower in

trouble:
    complain | float away | turn {colour} | misbehave | curdle | bite | escape | giggle | whistle
    fall asleep | go {colour}

comfort:
    hum | sing a lullaby | add {stuff} | call the {animal} | threaten everyone with {stuff} | look away
    read a poem aloud | promise {stuff} | tickle the {animal} | close the lid | pretend to sleep | blow

heat:
    Simmer | Boil | Fry | Bake | Roast | Toast | Warm

fire:
    low flame | volcano | dragon | single candle | heap of love letters | family quarrel | bonfire
    blacksmith's forge | patient salamander | very hot stone | grudge | young comet | jar of fireflies

garnish:
    run | bow | hide the {animal} | charge double | deny everything | explain nothing | top it with {stuff}
    wave your {limb} | offer {stuff} too | ring a bell | say nothing of the {stuff}

review:
    It keeps for {count} years. | Leftovers may {trouble}. | The last {single} to try it {past}.
    It never fails on a {day}. | Also good for {remedy}. | Not to be eaten {manner}.
    Feeds {amount} {guest}, or one {single}.

past:
    proposed to the {animal} | wept | lost one {limb} | wrote a sonnet | turned {colour}
    joined the choir | flew

day:
    Monday | Tuesday | Wednesday | Thursday | Friday | Saturday | Sunday | leap day

remedy:
    warts | hiccups | squeaky doors | broken hearts | dull parties | bad poetry | a cold {limb} | nightmares
    gout | unpaid bills
"""

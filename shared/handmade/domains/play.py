"""The play: two or three people, one thing, and a good deal of talking back.

What a model has to find, from near to far: spelling; phrases; whose turn it is (two people alternate, and of
three the one who was spoken to answers); what was said a moment ago and is now thrown back; what the thing of
this scene is like; the burden of a song; and the pledges of the first speeches, which fall due in the last.
"""

RULES = """
scene:
    3x SCENE: {place as here}, {hour}./
        [Enter {person as a} {a.trade} and {person as b not a} {b.trade}, with {thing.whole as it}.]//
        {opening me=a you=b}{duet}
    2x SCENE: {place as here}, {hour}./
        [Enter {person as a} {a.trade}, {person as b not a} {b.trade} and {person as c not a b} {c.trade}.]//
        {arrival}{opening me=a you=b}{trio}

arrival:
    [{b} is hiding {thing.whole as it} behind {b.his} back.]//
    [{c} sets down {thing.whole as it} and sits on it.]//
    [{a} trips over {thing.whole as it}.]//

opening:
    {^^me}:/{greeting}, {you}! {prediction} if the {it} {it.habit} tonight, I shall {pledge as vow}.//
        {^^you}:/{^you.oath}, {me}! {remark} And if it does not, I shall {pledge as forfeit}.//

duet:
    3x {pair me=a you=b}{pair me=a you=b}{closing me=a you=b}
    3x {pair me=a you=b}{triple me=a you=b}{pair me=b you=a}{reckoning me=b you=a}
    2x {triple me=a you=b}{pair me=b you=a}{song me=b you=a}{pair me=a you=b}{closing me=a you=b}
    2x {triple me=a you=b}{triple me=b you=a}{song me=a you=b}{reckoning me=b you=a}

trio:
    2x {pair me=a you=c}{pair me=b you=a}{reckoning me=b you=a}
    2x {pair me=c you=a}{triple me=b you=c}{song me=c you=b}{closing me=a you=b}
    2x {triple me=c you=b}{pair me=a you=c}{pair me=b you=c}{closing me=a you=b}
    1x {triple me=a you=c}{song me=c you=a}{pair me=b you=c}{closing me=a you=b}

pair:
    {^^me}:/{claiming}, {claim as said}. {remark}//
        {^^you}:/{doubting} {^said}? {reply}//
    {^^me}:/{^you}, you {adjective as x}, {adjective as y} {insult as z}! {quarrel}//
        {^^you}:/{^x}, am I? {^y}? {insulted}, {me}, and meet a {x}, {y} {z}.//
    {^^me}:/Bring me {dish as f}, {dish as g not f} and {dish as h not f g}, {you}. {hunger}//
        {^^you}:/{^f}, {g} and {h}: {verdict}//
    {^^me}:/Where is the {it}, {you}? {^it} or no {it}, {remark_after}//
        {^^you}:/I {hid} it {spot as nook}, between {dish as f} and {dish as g not f}. {^nook}, {me}, nobody {looks}.//
    {^^me}:/Have you heard about {person as who not me you}? {who} {who.trade} {scandal as tale}!//
        {^^you}:/{doubting} {who} {tale}? And {who.he} still owes me {dish}!//
    {^^me}:/Riddle me this, {you}: {riddle.question as r}?//
        {^^you}:/{pondering} {^r}? {r.answer}, or I am {a_fool}.//
    {^^me}:/Remember, {you}, what the old ones say: {proverb as p}.//
        {^^you}:/{objection} {^p}, but {exception}//
    {^^me}:/For the {it} I will give you {price as q}, {you}, and {dish as f}.//
        {^^you}:/{^q}? {haggle} Make it {price} and {f}, and the {it} is yours.//
    2x {^^me}:/{remark} {remark} And you, {you}?//
        {^^you}:/{remark} {remark} {remark}//

triple:
    {^^me}:/Will you {pledge as d} with me, {you}?//
        {^^you}:/On the day that {impossible as k}, {me}, I will {d}. {remark}//
        {^^me}:/Then I shall wait until {k}. {remark}//
    {^^me}:/Learn your part, {you}. Say after me: {line as v}.//
        {^^you}:/{^v}. {stage_fright}//
        {^^me}:/{louder} {^v}!//
    {^^me}:/{waking} I dreamed that {claim as said}.//
        {^^you}:/That is nothing, {me}. I dreamed that {claim as mine}.//
        {^^me}:/{remark} Then you were in my dream, and I in yours; for {said}, and {mine}.//
    {^^me}:/Knock, knock, {you}!//
        {^^you}:/Who is there, {me}? {guess} {person as who not me you} {who.trade}?//
        {^^me}:/{who} {who.trade}, {who.his} {adjective as y} {beast as u} and the {it}. {^who.oath},_
        open the door, for the {y} {u} {scratches}!//
    {^^me}:/My plan is simple, {you}. First we {step as s}; then we {step as t}.//
        {^^you}:/{misgiving} And what if {setback as hitch}, {me}?//
        {^^me}:/If {hitch}, first we {t}; then we {s}.//

closing:
    [{noise}]//
        {^^me}:/{hark} The {it} {it.habit}! Now I must {vow}.//
        {^^you}:/{^vow}, {me}? {consolation}//
        [{departure}]///
    [{noise}]//
        {^^me}:/{alas} The {it} will not stir, {you}, and now you must {forfeit}.//
        {^^you}:/{^forfeit}? {protest}//
        [{departure}]///

reckoning:
    [{noise}]//
        {^^me}:/{hark} The {it} {it.habit}, {you}, and now you must {vow}!//
        {^^you}:/{^vow}? {protest}//
        [{departure}]///
    [{noise}]//
        {^^me}:/{alas} The {it} will not stir. Now I must {forfeit}.//
        {^^you}:/{^forfeit}, {me}? {consolation}//
        [{departure}]///

song:
    [{me} sings.]//
        {^^me}:/Oh, the {beast as u} and the {beast as w not u} {went} {verse.first as tune},/
        {burden as chorus}!/
        And the {u} told the {w}, {tune.second},/{^chorus}!//
        [{^you} {applause}]//

departure:
    Exeunt, pursued by a {adjective} {beast}.
    2x Exeunt, carrying the {it}.
    Exeunt, quarrelling about the {it}.
    They dance, and the curtain falls on the {it}.
    The lights go out. Somebody drops the {it}.

greeting:
    3x Good evening | 2x Well met | Welcome | Zounds | Peace be with you | A thousand greetings
    Quick, hide | What luck | Not you again | Just in time

prediction:
    Mark my words: | Depend upon it: | I feel it in my {garment}: | The stars say:
    A {adjective} {beast} told me: | I swear by my {garment}: | Write this down:

claiming:
    I tell you, {you} | They swear in the village, {you} | It is quite true, {you}
    Nobody believes me, {you} | My grandmother taught me, {you} | As every child knows, {you}
    Listen, {you}; I have proof

doubting:
    {^you.oath}! | What nonsense! | Say that again slowly. | Stop, my sides ache! | Impossible!
    Hush, the {beast} may hear! | Well, I never. | You have been at the {drink} again.
    How very {adjective}! | Fie!

reply:
    3x Next you will say that {claim}. | I shall tell {person} and the {official}. | Then I am {a_fool}.
    I read of it {spot}. | Prove it, {me}! | So that explains the {noisy}!
    And I thought it was only a {adjective} {beast}.

remark:
    3x The {adjective} {beast} {spot} looks {adjective} today.
    2x I once {feat} {number} {adjective} {beast.many}.
    2x My {adjective} {kin} {feat} {person} {adverb}, {spot}.
    My {kin} used to {talent} {adverb}.
    We had {adjective} {dish} on {weekday}.
    Nobody can {talent} like a {adjective} {beast}.
    Somebody has {feat} the {adjective} {official}!
    It is {adjective} weather for {beast.many}.
    This {adjective} {garment} smells of {dish}, {adverb}.
    There is a {adjective} {beast} in my {adjective} {garment}.
    2x {person} and the {adjective} {official} {talent} {adverb}, {spot}.
    A {adjective} {beast} in a {garment} fears no {official}.
    Even a {adjective}, {adjective} {insult} deserves {dish}.
    All {adjective} {beast.many} {talent} {adverb} in the {season}.
    What would the {adjective} {official} say?
    Do you smell {dish}?

claim:
    5x the {adjective} {beast} {spot} can {talent} {adverb}
    4x {number} {beast.many} can {talent} {adverb}
    4x the {official} {feat} a {adjective} {beast} {spot}
    2x no {beast} has ever {feat} the {adjective} {official}
    3x a {adjective} {beast} {feat} {number} {beast.many} {adverb}
    2x the {official} keeps {adjective} {beast.many} {spot}
    2x every {adjective} {beast} is secretly a {insult}
    2x this {garment} belonged to a {adjective} {official}

quarrel:
    You have {feat} my {beast}! | You snore like {number} {beast.many}. | I would not trade you for {price}.
    You {talent} like a {beast} {spot}. | Even the {adjective} {official} laughs at you. | Give back {dish}!
    You would sell your {kin} for {dish}! | May {number} {beast.many} eat your {garment}!

insulted:
    Look in a mirror | Go down to the {room} | Ask the {official}, {adverb} | Sail to the moon
    Wash your face

remark_after:
    it {it.habit}. | I must {talent} {adverb}. | the {official} wants {dish}.
    there will be {adjective} {dish}. | tomorrow we {talent} with {number} {beast.many}.

hunger:
    I have not eaten since {weekday}. | A {adjective} {beast} ate my breakfast.
    My {kin} dines here {spot}. | And be quick, for {number} {beast.many} are coming.
    Serve it {adverb}, {spot}.

verdict:
    a meal fit for the {official}! | it will feed {number} {beast.many}. | shall I fry it in {drink}?
    the cook has fainted. | but who will wash the dishes, {me}? | that is what the {beast} had.

hid:
    buried | left | saw | dropped | hung up | forgot

looks:
    ever looks | looks before breakfast | dares to sneeze | would think of digging | minds a little {drink}

scandal:
    has {feat} the {official} | was seen {spot} with a {beast} | keeps {number} {beast.many} in the bath
    cannot {talent} | will marry the {official} | sold {dish} to a {adjective} {beast}
    talks to a {adjective} {beast} {spot}

pondering:
    Let me think. | Too easy! | My head is spinning. | I knew it yesterday. | {^you.oath}!
    A riddle {hour}?

a_fool:
    a {beast} | a {adjective} {insult} | the {official} | no better than {person} {spot}

proverb:
    3x never lend a {adjective} {beast} your {garment}
    2x never {talent} with a {adjective} {beast}
    3x a {adjective} {beast} {spot} is worth {number} {beast.many} elsewhere
    2x where the {adjective} {official} goes, the {adjective} {beast} follows
    2x many {beast.many} make {adjective} work
    2x one {garment} does not make a {official}
    2x he who owns a {garment} needs no {beast}

objection:
    So they do. | Old ones say too much. | Very true, {me}! | My uncle died of that.
    I have it embroidered on a {garment}.

exception:
    what if the {beast} is {adjective}? | not on a {weekday}. | tell that to the {adjective} {official}!
    who asked the {beast}? | only {spot}. | does the {official} know?

haggle:
    You rob me! | A {beast} offered more. | For a thing that {it.habit}? | Do I look like {a_fool}?
    Be serious, {me}. | Never!

price:
    {number} {adjective} {coin}
    {number} {coin} and a {adjective} {beast}
    {number} {adjective} {beast.many} and a {garment}

impossible:
    the {adjective} {beast} learns to {talent}
    {number} {beast.many} elect a {official}
    the {official} gives up {drink}
    {person} returns the {garment}
    it snows {spot} on a {weekday}

line:
    2x O {adjective} {beast}, thy {adjective} {garment} is lost {spot}
    2x farewell, {adjective} {official}, and beware the {beast.many}
    2x unhand that {beast}, thou {adjective} {insult}
    my {garment}, my {garment}, my {official} for a {garment}
    to {talent} or not to {talent}, asked the {adjective} {beast}

stage_fright:
    Was that right? | I have swallowed a {beast}, I think. | Must I wear the {garment}, {me}?
    My knees are knocking. | Who wrote this? | I feel {adjective}.

louder:
    Louder! | With feeling! | To the back row! | Once more for the {beast.many} in the gallery!
    Like a {beast}!

waking:
    Last {weekday}, {you}, I slept badly. | I ate {dish} too late, {you}. | Pinch me, {you}.

guess:
    Is it | Not again; is it | My {garment} is in the wash. Is it | At this hour? Is it

scratches:
    is eating the doormat | wants {dish} | is at the bell | bites | will not wait | must {talent}

step:
    {step_verb} the {adjective} {official}
    hide {number} {beast.many} {spot}
    feed {dish} to the {beast}
    {talent} {adverb}

step_verb:
    tickle | bribe | hypnotise | paint | wake | marry | measure | flatter

setback:
    the {beast} is {adjective}
    the {official} can {talent}
    {person} is {spot}
    it rains on {weekday}

misgiving:
    Simple? | My {kin} tried that. | Must I bring {dish}? | I am too {adjective} for this.
    And the {beast.many}?

noise:
    A bell rings. | Thunder. | A distant trumpet. | The clock strikes {number}. | Something sneezes.
    A {beast} howls. | Silence; then a crash. | Drums, and a smell of {drink}.

hark:
    Hark! | Behold! | It happens! | Look, look! | I knew it!

alas:
    Nothing! | Alas! | How quiet it is. | We have waited long enough. | See?

consolation:
    I shall hold your {garment}. | The {official} will be so proud. | {person} did, and lived.
    Make it snappy; I am cold. | May I watch? | The {beast.many} are selling tickets.

protest:
    I was joking! | Not in front of the {beast.many}! | Very well, but lend me your {garment}.
    Tomorrow, perhaps. | {^you.oath}, what have I said!

went:
    went to sea | ran off | lay down | fell in love | went to school

burden:
    With a {nonny}, and a {nonny}, and a {nonny} {nonsense}
    Sing {nonny}, sing {nonny}, sing {nonny} {nonsense}
    Hey {nonny}, hey {nonsense}, and {nonny} again

applause:
    claps. | weeps into {you.his} {garment}. | throws {dish}. | covers {you.his} ears. | joins in, badly.
    asks for more.

pledge:
    eat a {adjective} {garment}
    kiss a {adjective} {beast}
    {talent} with {number} {adjective} {beast.many}
    wear a {adjective} {garment} to bed
    marry the {adjective} {official}
    give {price} to the poor
    live {spot} until {weekday}
    swallow {dish} whole

spot:
    in the attic | under the bridge | behind the bakery | up a ladder | inside the piano
    beneath the stairs | on the roof | at the barber's | down the well | near the windmill
    beside the duck pond | by the lighthouse | among the nettles | over the stable | outside the jail
    along the quay | between two haystacks | in the pantry | on a sofa | at the opera | in Zanzibar
    under my bed | behind the moon | near Verona | at sea | on the gravy boat | in a teacup | outside Xanadu
    by the jam jars | up a chimney

talent:
    whistle | dance a jig | play chess | knit | fence | juggle | recite Latin | fly a kite | yodel
    bake bread | tell fortunes | waltz | gargle | haggle | paint portraits | mend clocks | shuffle cards
    climb chimneys | keep secrets | quote Homer | polish spoons | skate | row a boat | box | sew buttons
    walk on stilts | write sonnets | hum fugues | plant leeks | do sums | turn cartwheels | grow radishes

feat:
    arrested | outrun | hypnotised | painted | kissed | tickled | married | adopted | cheated | insulted
    bathed | knighted | photographed | envied | rescued | shaved | measured | buttered | quoted | serenaded
    juggled | elected | fed | ironed | weighed | auctioned | startled | zigzagged past | vaccinated
    charmed

adjective:
    gentle | wicked | purple | drowsy | jealous | noble | hungry | famous | mouldy | velvet | freckled
    lonely | dizzy | brazen | tender | zealous | crooked | wobbly | quarrelsome | pious | retired | thirsty
    married | bashful | cheerful | moonlit | sarcastic | two-faced | relaxed | vexed | greasy | haunted
    jolly | knitted | lukewarm | musical | nervous | perfumed | rusty | sleepy | timid | vain | woollen
    yellow | zigzag | barefoot | clammy | dainty | fearless | ghostly | homesick | juicy | kindly
    legendary | magnetic | nameless | peppery | quivering | royal | silver | tattooed | vanishing
    whiskered | boneless

insult:
    noodle | turnip | scoundrel | windbag | goblin | pudding | nincompoop | weasel | barnacle | cabbage
    dunderhead | jellyfish | rascal | lump | humbug | quack | teaspoon | gherkin | bagpipe | doorknob
    flapjack | haddock | kipper | muffin | parsnip | rapscallion | sofa | trombone | wheelbarrow | yokel

beast(one, many):
    badger | badgers
    camel | camels
    donkey | donkeys
    ferret | ferrets
    goose | geese
    hedgehog | hedgehogs
    jackdaw | jackdaws
    kitten | kittens
    lobster | lobsters
    mouse | mice
    nightingale | nightingales
    parrot | parrots
    quail | quails
    rabbit | rabbits
    salmon | salmon
    toad | toads
    vulture | vultures
    wolf | wolves
    yak | yaks
    zebra | zebras
    fox | foxes
    piglet | piglets
    snail | snails
    bishop's cat | bishop's cats
    giraffe | giraffes
    hamster | hamsters
    jellyfish | jellyfish
    kangaroo | kangaroos
    leopard | leopards
    moth | moths
    newt | newts
    pelican | pelicans
    raven | ravens
    squirrel | squirrels
    tortoise | tortoises
    walrus | walruses
    bat | bats
    crab | crabs
    duckling | ducklings
    flea | fleas
    gnat | gnats

official:
    mayor | bishop | judge | colonel | queen | lighthouse keeper | ghost | cook | dentist | harpist | pirate
    postman | gravedigger | tax collector | duchess | beadle | sultan | fire brigade | chess champion
    midwife | philosopher | lord chamberlain | vicar | weather prophet | zookeeper | jockey

number:
    three | five | seven | nine | eleven | twelve | forty | fifty | eighty | a dozen | six | a hundred
    too many | two | thirty

coin:
    pennies | ducats | buttons | walnuts | kisses | promises | guineas | shillings | oysters | turnips
    doubloons | feathers | marbles | teeth | zinc spoons | love letters

garment:
    hat | wig | left boot | nightshirt | petticoat | waistcoat | beard | scarf | crown | glove | feather boa
    kilt | moustache | cloak | raincoat | bonnet | cardigan | dressing-gown | false nose | halo | jacket
    kimono | mask | necktie | right boot | sock | tutu | veil | zip

drink:
    tea | cordial | cocoa | vinegar | ink | buttermilk | soup | lemonade

noisy:
    smell | noise | bill | feathers | puddle | bite marks

weekday:
    Monday | Tuesday | Wednesday | Thursday | Friday | Saturday | Sunday

hour:
    at midnight | at dawn | before supper | after the storm | on a Sunday | in a thick fog | by candlelight
    too early | during the war | just past noon | one rainy evening | quite late

nonny:
    hey | fiddle | diddle | nonny | tumble | rumble | jingle | ziggy | whoop | merry | hop | bumble | derry
    kerfuffle | lily | twang

nonsense:
    ho | dee | fol-de-rol | down-a-down | tra-la | by the sea | all day long | my dear

verse(first, second):
    one night in June | by the light of the moon
    in the month of May | at the end of the day
    on a ship of cheese | on its bended knees
    with a pot of glue | in a coat of blue
    in a coach of glass | through a trumpet of brass
    when the wind was cold | with a tooth of gold
    on a garden wall | at the barber's ball
    to the sound of bells | from a bed of shells
    for a silver spoon | to a mournful tune
    where the reeds appear | for the time of year
    at a quarter to ten | with a quivering pen
    for a loaf of bread | on its velvet bed

place:
    A kitchen in Verona | The deck of a ship | A churchyard | The queen's bedchamber | Before the castle
    A very small boat | Venice, a bridge | Another part of the forest | Under a table | On the moon
    A barber's shop | The prison at Elba | Inside a whale | The market square | Juliet's other balcony
    Halfway up a mountain | Zanzibar | Xanadu | Next door | Copenhagen

dish(name):
    boiled eggs
    a cold pie
    the last plum
    roast chestnuts
    some pickled herring
    green cheese
    onion jam
    a live eel
    three pancakes
    burnt toast
    mustard
    half a melon
    fried noodles
    your porridge
    warm gravy
    dumplings
    figs in syrup
    jugged hare
    mock turtle
    vegetables
    a wedding cake
    quince jelly
    lamb chops
    extra butter
    another pickle
    candied violets
    eleven crumpets
    hot marmalade
    iced custard
    kidney pie
    lentils
    my oysters
    nutmeg
    olives
    peas
    raw carrots
    sour cream
    toffee
    unripe apples
    zesty lemons
    cabbage soup
    ginger beer
    stewed rhubarb
    twelve tarts

riddle(question, answer):
    what has a face but no nose | A clock
    what has teeth but never bites | A comb
    what grows when you take from it | A hole
    who goes round the world and stays in a corner | A stamp
    what has keys but opens no lock | A piano
    which room has no door | A mushroom
    how do you make a candle shorter | By lighting it
    what runs but never walks | A river
    what is full of holes and still holds water | A sponge
    what gets wet by drying | A towel
    which cheese is made backwards | Edam
    where does Friday come before Thursday | In the dictionary
    why did the lobster blush | It saw the salad dressing
    what has a neck and no head | A bottle
    when is a door not a door | When it is ajar
    whose boots never wear out | A ghost's

thing(name, whole, habit):
    teapot | a teapot | pours uphill
    trumpet | a brass trumpet | plays itself
    lantern | a green lantern | winks at strangers
    cuckoo clock | a cuckoo clock | tells lies
    skull | a polished skull | hums in the dark
    umbrella | an umbrella | opens indoors
    portrait | a portrait of a duke | sticks out its tongue
    ladder | a rope ladder | leads nowhere
    wheelbarrow | the royal wheelbarrow | rolls home by itself
    zither | an old zither | weeps in tune
    mirror | a cracked mirror | shows next week
    barrel | a barrel of ink | gurgles a sonnet
    key | an enormous key | grows warm
    violin | somebody's violin | asks for butter
    hammock | a silk hammock | walks at midnight
    jar of bees | a jar of bees | sings hymns
    compass | the captain's compass | points to the cheese
    oven | a portable oven | laughs out loud
    drum | a kettle drum | thunders politely
    box | a locked box | knocks from the inside
    quilt | a quilt of many pockets | snores
    ink-well | an ink-well | writes to its mother
    egg | a very large egg | begins to hatch
    telescope | a telescope | looks away

person(name, he, his, trade, oath):
    Ambrose | he | his | the baker | butter and brine
    Beatrix | she | her | the clockmaker | springs and sprockets
    Clover | she | her | the gardener | roots and radishes
    Dorian | he | his | the bell-ringer | ding and dong
    Esther | she | her | the magistrate | order and marmalade
    Felix | he | his | the fiddler | strings and thistles
    Gwendolyn | she | her | the general | drums and dumplings
    Horatio | he | his | the poet | moons and muffins
    Isolde | she | her | the princess | crowns and crumpets
    Jasper | he | his | the thief | locks and lanterns
    Katrin | she | her | the ferrywoman | oars and otters
    Lysander | he | his | the duke | pearls and pickles
    Mortimer | he | his | the undertaker | chains and cobwebs
    Nettle | she | her | the witch | toads and teaspoons
    Octavia | she | her | the astronomer | comets and custard
    Percival | he | his | the knight | swords and sausages
    Quentin | he | his | the tailor | needles and nutmeg
    Rosalind | she | her | the captain | anchors and apricots
    Silas | he | his | the miller | flour and feathers
    Tabitha | she | her | the schoolmistress | chalk and cheese
    Ulric | he | his | the giant | boulders and blackberries
    Violetta | she | her | the singer | scales and scallops
    Winifred | she | her | the beekeeper | bees and buttercups
    Xanthe | she | her | the painter | easels and eels
    Yorick | he | his | the jester | bells and bananas
    Zachary | he | his | the goatherd | horns and honeycomb

kin:
    aunt | uncle | grandmother | cousin | nephew | twin | godfather | landlady | first wife | old nurse
    stepson | tutor | better half | second cousin

season:
    spring | summer | autumn | winter | rain | dark

adverb:
    backwards | by moonlight | twice a day | without shoes | on tiptoe | for money | in tears
    with great care | very loudly | most politely | all night | upside down | in secret | half asleep
    like a duchess | against the wind | just for luck | out of spite | under oath | from memory
    through the nose | expertly | quite by accident | to a drumbeat | once too often | at arm's length
    in alphabetical order | with a hiccup | every leap year | instead of praying

room:
    kitchen | duck pond | cellar | market | river | harbour | graveyard | bath house
"""

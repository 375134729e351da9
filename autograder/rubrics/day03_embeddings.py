"""Day 3 · Embeddings and positions."""

import torch
from torch import Tensor

from autograder import expect
from autograder.rand import Rand
from autograder.remote import Learner, LearnerError, Remote, build, callback, keep
from autograder.rubric import exercise, item

# --- EmbeddingWithPosition ------------------------------------------------------------------------------


@exercise("day03.EmbeddingWithPosition", answer="handmade.embeddings.EmbeddingWithPosition")
class EmbeddingWithPosition:
    """Tokens and their places, as vectors"""

    @item(1)
    def tables(learner: Learner, rand: Rand):
        """There is a row of `token` for each token and a row of `position` for each place."""
        V, C, longest = sizes(rand)
        embed = learner.EmbeddingWithPosition(V, C, longest)
        for name, rows in (("token", V), ("position", longest)):
            found = shape_of(getattr(embed, name), name)
            expect.that(
                found == (rows, C), f"for {(V, C, longest)} the table {name} is {found}, expected {(rows, C)}"
            )

    @item(1)
    def start(learner: Learner, rand: Rand):
        """Both tables start with mean 0 and standard deviation 0.02."""
        build(learner, "torch.manual_seed", rand.integer(0, 10**6))  # so that a known mistake draws the same
        embed = learner.EmbeddingWithPosition(rand.integer(300, 400), 16, rand.integer(300, 400))
        for name, table in (("token", embed.token.weight), ("position", embed.position.weight)):
            expect.finite(table, of=f"the table {name}.weight")
            table = table.double()
            std, mean = table.std().item(), table.mean().item()
            # Of 5,000 numbers the deviation is off by one per cent, by chance; here it may be off by six.
            expect.that(
                abs(std - 0.02) < 0.0012,
                f"{name}.weight starts with a standard deviation of {std:.4f}, expected 0.02",
            )
            expect.that(abs(mean) < 0.002, f"{name}.weight starts with a mean of {mean:.4f}, expected 0")

    @item(2)
    def token_rows(learner: Learner, rand: Rand):
        """Two tokens at the same place differ by exactly the difference of their rows of `token`."""
        (V, C, longest), embed, (token, _) = made(learner, rand)
        T = longest - 2
        one, other = (rand.integers(0, V - 1, 1, T) for _ in range(2))
        other = torch.where(one == other, (one + 1) % V, other)
        expect.close(
            outputs(embed, one, C) - outputs(embed, other, C),
            token[one] - token[other],
            "at the same place, the difference of two outputs must be the difference of the tokens' rows",
            tolerance=1e-6,
        )

    @item(2)
    def position_rows(learner: Learner, rand: Rand):
        """The same token at two places differs by exactly the difference of their rows of `position`."""
        (V, C, longest), embed, (_, position) = made(learner, rand)
        T = longest - 2
        output = outputs(embed, torch.full((1, T), rand.integer(0, V - 1)), C)[0]
        expect.close(
            output - output[:1],
            position[:T] - position[:1],
            "for one token at every place, outputs must differ from that of place 0 as the rows of position do",
            tolerance=1e-6,
        )

    @item(1)
    def batch(learner: Learner, rand: Rand):
        """Every sequence of a batch starts at place 0: alone it becomes what it becomes in the batch."""
        (V, C, longest), embed, _ = made(learner, rand)
        # Short enough that places which were counted on from row to row would still be in the table.
        B, T = rand.integer(2, 3), longest // 4
        idx = rand.integers(0, V - 1, B, T)
        whole = outputs(embed, idx, C)
        expect.that(
            bool(whole.std(0).any()), "different tokens in the rows of a batch become the same vectors"
        )
        for b in range(B):
            expect.close(
                outputs(embed, idx[b : b + 1], C)[0],
                whole[b],
                f"row {b} of a batch must become what it becomes alone",
                tolerance=1e-6,
            )

    @item(1)
    def every_length(learner: Learner, rand: Rand):
        """Any length is accepted, from 1 to max_seq_len itself."""
        (V, C, longest), embed, _ = made(learner, rand)
        idx = rand.integers(0, V - 1, 1, longest)
        whole = outputs(embed, idx, C, what=f"{longest} tokens, where max_seq_len is {longest},")
        for T in (1, rand.integer(2, longest - 1)):
            output = outputs(embed, idx[:, :T], C, what=f"{T} tokens, where max_seq_len is {longest},")
            expect.that(bool(output.any()), "the output is 0 everywhere")
            expect.close(output, whole[:, :T], "a shorter text must become the beginning of a longer one")
        expect.that(bool(whole.std(1).any()), "all places of a text become the same vector")

    @item(1)
    def too_long(learner: Learner, rand: Rand):
        """More than max_seq_len tokens are a ValueError."""
        (V, C, longest), embed, _ = made(learner, rand)
        T = longest // 2
        expect.that(
            bool(outputs(embed, rand.integers(0, V - 1, 1, T), C).std(1).any()),
            "all places of a text become the same vector",
        )
        for T in (longest + 1, longest + rand.integer(2, 40)):
            refuses(
                f"{T} tokens, where max_seq_len is {longest},",
                embed,
                rand.integers(0, V - 1, rand.integer(1, 3), T),
            )

    @item(2)
    def gradient(learner: Learner, rand: Rand):
        """The gradient reaches the rows that were used, as often as they were used, and no others."""
        (V, C, longest), embed, _ = made(learner, rand)
        T = longest - 2
        # Token 0 is used, some are used several times, and most never.
        used = torch.cat([torch.zeros(1, dtype=torch.long), 1 + rand.permutation(V - 1)[: V // 4]])
        idx = used[torch.cat([torch.arange(len(used)), rand.integers(0, len(used) - 1, T)])[:T]][None]
        direction = rand.normal(C).abs() + 0.5  # the same at every place
        output = outputs(embed, idx, C)
        gradients = embed.parameter_gradients(idx, cotangent=direction.expand_as(output))
        for name, rows in (("token", idx[0]), ("position", torch.arange(T))):
            got = gradients.get(f"{name}.weight")
            expect.that(
                got is not None,
                f"no gradient reaches {name}.weight: is it an nn.Embedding, and not detached or frozen?",
            )
            wanted = torch.bincount(rows, minlength=len(got))[:, None] * direction
            expect.numbers(got, wanted.shape, of=f"the gradient of {name}.weight")
            # Up to a factor, which is another item's business.
            factor = (got * wanted).sum() / (wanted * wanted).sum()
            expect.that(bool(factor.abs() > 1e-6), f"the gradient of {name}.weight is 0")
            expect.close(
                got / factor,
                wanted,
                f"in {name}.weight each row must get its gradient as often as it was used, unused rows none",
                tolerance=1e-4,
            )

    @item(1)
    def device(learner: Learner, rand: Rand):
        """The places are counted on the device of the ids."""
        (V, C, longest), embed, _ = made(learner, rand)
        T = longest - 3
        expect.that(
            bool(outputs(embed, rand.integers(0, V - 1, 1, T), C).std(1).any()),
            "all places of a text become the same vector",
        )
        met = []

        def note(module: Remote, given: tuple) -> None:
            met.extend(x.device.type for x in given if isinstance(x, Tensor))

        embed.to("meta")
        embed.position.register_forward_pre_hook(callback(learner, note))
        output = embed(torch.zeros(2, T, dtype=torch.long, device="meta"))
        expect.that(
            set(met) <= {"meta"},
            f"the ids and the tables are on the device “meta”, and the places are on “{', '.join(met)}”",
        )
        expect.that(output.device.type == "meta", f"the output is on “{output.device}”, the ids on “meta”")

    @item(2, whole=True)
    def all_in_all(learner: Learner, rand: Rand):
        """All in all: the sum of the two tables' rows, also when the tables hold large numbers."""
        (V, C, longest), embed, _ = made(learner, rand)
        token, position = rand.normal(V, C, scale=3.0), rand.normal(longest, C, scale=3.0)
        embed.load_state_dict({"token.weight": token, "position.weight": position}, strict=False)
        for B, T in ((1, 1), (rand.integer(2, 5), longest - rand.integer(1, 5)), (longest, longest)):
            idx = rand.integers(0, V - 1, B, T)
            output = embed(idx)
            expect.shape(output, (B, T, C), of=f"for ids of shape ({B}, {T}) the output")
            expect.close(
                output, token[idx] + position[:T], "each output must be its token's row plus its place's row"
            )


def sizes(rand: Rand) -> tuple[int, int, int]:
    """vocab_size, d_model and max_seq_len, all different."""
    return rand.integer(20, 28), rand.integer(5, 9), rand.integer(12, 18)


def made(learner: Learner, rand: Rand) -> tuple[tuple[int, int, int], Remote, list[Tensor]]:
    """Sizes, the learner's module of these sizes, and the tables that it now holds: small numbers, as at the start.

    The tables have the module's own sizes: whether they are right is an item of its own.
    """
    asked = sizes(rand)
    embed = learner.EmbeddingWithPosition(*asked)
    embed.to(keep(learner, torch.zeros(1)).device)  # where the ids will be handed over
    shapes = [shape_of(embed.token, "token"), shape_of(embed.position, "position")]
    tables = [rand.normal(*shape, scale=0.02) for shape in shapes]
    embed.load_state_dict(dict(zip(("token.weight", "position.weight"), tables, strict=True)), strict=False)
    return asked, embed, tables


def shape_of(layer: Remote, name: str) -> tuple[int, int]:
    """Rows and columns of an nn.Embedding."""
    shape = layer.num_embeddings, layer.embedding_dim
    expect.that(
        all(type(n) is int and 0 < n < 100 for n in shape),
        f"{name} is not an nn.Embedding of the sizes asked for",
    )
    return shape


def outputs(embed: Remote, idx: Tensor, C: int, what: str = "the output") -> Tensor:
    """What (B, T) ids become: finite numbers, (B, T, C)."""
    output = embed(idx)
    expect.numbers(output, (*idx.shape, C), of=what)
    return output.double()


# --- sinusoidal_position_encoding -----------------------------------------------------------------------


@exercise("day03.sinusoidal_position_encoding", answer="handmade.embeddings.sinusoidal_position_encoding")
class SinusoidalPositionEncoding:
    """Positions that need not be learned"""

    @item(1)
    def form(learner: Learner, rand: Rand):
        """It is (seq_len, d_model), with a row of its own for each position, the same at every call."""
        T, C = rand.integer(10, 40), 2 * rand.integer(3, 12)
        table = learner.sinusoidal_position_encoding(T, C)
        expect.numbers(table, (T, C), of=f"sinusoidal_position_encoding({T}, {C})")
        longer = learner.sinusoidal_position_encoding(T + 9, C)
        expect.numbers(longer, (T + 9, C), of=f"sinusoidal_position_encoding({T + 9}, {C})")
        expect.close(longer[:T], table, "the first rows of a longer table must be the shorter table")
        alike = int((torch.cdist(table.double(), table.double()) < 1e-3).sum()) - T
        expect.that(alike == 0, "two positions must never get the same row")

    @item(1)
    def first_row(learner: Learner, rand: Rand):
        """At position 0 every angle is 0: half of row 0 is sin 0 = 0, and half is cos 0 = 1."""
        T, C = rand.integer(10, 40), 2 * rand.integer(3, 12)
        table = a_table(learner, T, C)
        expect.that(not table.std(0).eq(0).all(), "all positions get the same row")
        wanted = (torch.arange(C) >= C // 2).double()
        expect.close(
            table[0].sort().values,
            wanted,
            "row 0, sorted, must be zeros and then as many ones",
            tolerance=1e-5,
        )

    @item(2)
    def pairs(learner: Learner, rand: Rand):
        """Columns 2i and 2i + 1 are the sine and the cosine of one and the same angle."""
        # Whatever the angles are: sin² + cos² is 1, and from one row to the next the first pair turns forwards.
        T, C = rand.integer(10, 40), 2 * rand.integer(3, 12)
        table = a_table(learner, T, C)
        sine, cosine = table[:, 0::2], table[:, 1::2]
        expect.close(
            sine**2 + cosine**2,
            torch.ones(T, C // 2),
            "column 2i squared plus column 2i + 1 squared must be 1, as sin² + cos² is",
            tolerance=1e-4,
        )
        turn = (sine[1:] * cosine[:-1] - cosine[1:] * sine[:-1])[:, 0]  # the sine of how far it turns
        expect.that(
            bool((turn > 1e-3).all()), "the sine must stand before its cosine: the first pair turns backwards"
        )

    @item(2)
    def frequencies(learner: Learner, rand: Rand):
        """Pair i turns by base^(-2i / d_model) from one position to the next, and base is 10,000 unless given."""
        # Products of rows do not depend on where in a row a sine stands, nor on the position that is counted first.
        T, C = rand.integer(20, 40), 2 * rand.integer(4, 12)
        expect_turns(a_table(learner, T, C), C, 10000.0, "with the base 10,000")

    @item(1)
    def base(learner: Learner, rand: Rand):
        """The base is the argument: with base 1 all pairs turn by 1 at every position."""
        # 1 to any power is 1: this holds whatever the exponents are.
        T, C = rand.integer(20, 40), 2 * rand.integer(4, 12)
        expect_turns(a_table(learner, T, C, 1.0), C, 1.0, "with base=1.0")

    @item(1)
    def odd_width(learner: Learner, rand: Rand):
        """An odd d_model is a ValueError."""
        T, C = rand.integer(10, 40), 2 * rand.integer(3, 12)
        expect.that(bool(a_table(learner, T, C).std(0).any()), "all positions get the same row")
        refuses(f"d_model {C + 1}", learner.sinusoidal_position_encoding, T, C + 1)
        refuses("d_model 1", learner.sinusoidal_position_encoding, T, 1)

    @item(2, whole=True)
    def formula(learner: Learner, rand: Rand):
        """All in all: the paper's formula, for short tables and long ones, and for any base."""
        for T, C, base in (
            (1, 2 * rand.integer(1, 4), 10000.0),
            (rand.integer(6, 9), 2 * rand.integer(10, 40), 10.0 ** rand.integer(2, 5)),
            (rand.integer(600, 900), 2 * rand.integer(2, 20), 10000.0),
        ):
            table = learner.sinusoidal_position_encoding(T, C, base)
            expect.shape(table, (T, C), of=f"sinusoidal_position_encoding({T}, {C}, {base:g})")
            angles = torch.arange(T)[:, None].double() / base ** (torch.arange(0, C, 2).double() / C)
            wanted = torch.stack([angles.sin(), angles.cos()], -1).flatten(1)
            # float32 knows an angle of 900 to about 1e-4.
            expect.close(
                table, wanted, f"with base {base:g} the table differs from the formula", tolerance=2e-3
            )


def a_table(learner: Learner, T: int, C: int, *base: float) -> Tensor:
    """The learner's table in float64, also where it came with a batch dimension of 1: that is the form's business."""
    table, again = (learner.sinusoidal_position_encoding(T, C, *base) for _ in range(2))
    expect.equal(again, table, "a second call gives another table")
    table = table.reshape(table.shape[-2:])
    expect.numbers(table, (T, C), of=f"sinusoidal_position_encoding({T}, {C})")
    return table.double()


def expect_turns(table: Tensor, C: int, base: float, when: str) -> None:
    """Fail unless the products of rows are those of pairs that turn by base^(-2i / C) from row to row."""
    T = len(table)
    t = torch.arange(T).double()
    frequencies = base ** (-torch.arange(0, C, 2).double() / C)
    wanted = ((t[:, None] - t)[..., None] * frequencies).cos().sum(-1)
    expect.close(
        (table @ table.T)[0],
        wanted[0],
        f"{when}, the dot product of row 0 and row t must be the sum of the cosines of all angles "
        f"t · base^(-2i / {C})",
        tolerance=1e-3,
    )


# --- nearest_tokens -------------------------------------------------------------------------------------


@exercise("day03.nearest_tokens", answer="handmade.embeddings.nearest_tokens")
class NearestTokens:
    """Tokens with similar vectors"""

    @item(1)
    def form(learner: Learner, rand: Rand):
        """It is a list of k ids, plain ints, no id twice."""
        weight, token_id, ranked = question(rand)
        k = rand.integer(5, len(ranked))
        found = learner.nearest_tokens(weight, token_id, k)
        expect.that(isinstance(found, list), f"nearest_tokens must return a list, yours is {kind(found)}")
        expect.that(
            all(type(i) is int for i in found),
            "the list must hold plain ints" + (f", yours holds {kind(found[0])}" if found else ""),
        )
        expect.that(
            len(found) == k and len(set(found)) == k and set(found) <= set(range(len(weight))),
            f"for k = {k} of {len(weight)} tokens the list must hold {k} different ids, yours is {found}",
        )
        knows(found, token_id, ranked[:k])

    @item(1)
    def itself(learner: Learner, rand: Rand):
        """The token itself is never among its neighbours, even if all others point away from it."""
        V, C = rand.integer(6, 9), rand.integer(12, 16)
        for sign in (1.0, -1.0):
            weight, token_id = rand.normal(V, C), rand.integer(0, V - 1)
            weight[:, 0] = sign * (6.0 + rand.normal(V).abs())
            weight[token_id, 0] = 6.0
            found = ids(learner.nearest_tokens(weight, token_id, V - 1))
            expect.that(
                sorted(found) == [i for i in range(V) if i != token_id],
                f"the {V - 1} nearest of {V} tokens are all but token {token_id} itself, yours are {sorted(found)}",
            )

    @item(2)
    def cosine(learner: Learner, rand: Rand):
        """Neighbours are those whose vectors point the same way, however long they are."""
        weight, token_id, ranked = question(rand)
        # Of the nearest one is so short that its dot product is small, and one so long that its end is far away.
        lengths = 2.0 + 0.1 * rand.normal(len(weight), 1).clamp(-3, 3)
        order = rand.permutation(2)
        lengths[ranked[:2][order]] = torch.tensor([[0.05], [40.0]])
        k = len(ranked) - 2
        found = ids(learner.nearest_tokens(weight * lengths, token_id, k))
        knows(found, token_id, ranked[:k], "the length of a vector must not count")

    @item(1)
    def order(learner: Learner, rand: Rand):
        """The nearest comes first."""
        # Rows are all of one length, so that the dot product gives the same order.
        weight, token_id, ranked = question(rand)
        while ranked.tolist() == sorted(ranked.tolist()):  # the order of the ids would be right by chance
            weight, token_id, ranked = question(rand)
        k = len(ranked)
        found = [i for i in ids(learner.nearest_tokens(weight, token_id, k)) if i != token_id]
        wanted = [i for i in ranked.tolist() if i in found]
        expect.that(
            len(wanted) >= k - 1 and found == wanted,
            f"from nearest to furthest it should be {ranked.tolist()}, yours is {found}",
        )

    @item(1)
    def unchanged(learner: Learner, rand: Rand):
        """The table stays as it is."""
        weight, token_id, ranked = question(rand)
        weight = weight * rand.integer(2, 5)
        table = keep(learner, weight)
        knows(ids(learner.nearest_tokens(table, token_id, 6)), token_id, ranked[:6])
        expect.equal(table.clone(), weight, "the table has changed")

    @item(1)
    def in_training(learner: Learner, rand: Rand):
        """It takes a table that is being trained, one that requires a gradient."""
        weight, token_id, ranked = question(rand)
        table = keep(learner, weight, requires_grad=True)
        knows(ids(learner.nearest_tokens(table, token_id, 6)), token_id, ranked[:6])

    @item(1)
    def too_many(learner: Learner, rand: Rand):
        """A k below 1, or above the number of other tokens, is a ValueError."""
        weight, token_id, ranked = question(rand)
        knows(ids(learner.nearest_tokens(weight, token_id, 6)), token_id, ranked[:6])
        V = len(weight)
        for k in (0, -rand.integer(1, 3), V, V + rand.integer(1, 5)):
            refuses(f"k = {k} of {V} tokens", learner.nearest_tokens, weight, token_id, k)


def question(rand: Rand) -> tuple[Tensor, int, Tensor]:
    """A table (V, C) of rows of length 1, a token's id, and ids of others from nearest to furthest.

    Those make angles with the token's row that differ clearly; the table's last rows are at right angles to it.
    """
    near, V, C = rand.integer(6, 8), rand.integer(11, 14), 24
    axes = torch.linalg.qr(rand.normal(C, C)).Q  # rows at right angles, of length 1
    cosines = torch.linspace(0.95, 0.25, near)[:, None]
    rows = torch.cat(
        [cosines * axes[:1] + (1 - cosines**2).sqrt() * axes[1 : near + 1], axes[:1], axes[near + 1 : V]]
    )
    places = rand.permutation(V)  # row i of these is row places[i] of the table
    weight = torch.empty(V, C)
    weight[places] = rows
    return weight, int(places[near]), places[:near]


def knows(found: list[int], token_id: int, nearest: Tensor, hint: str = "") -> None:
    """Fail unless these are the nearest, in any order; the token itself may be in the place of one."""
    others = set(found) - {token_id}
    expect.that(
        len(others) >= len(nearest) - 1 and others <= set(nearest.tolist()),
        f"the {len(nearest)} nearest of token {token_id} are {sorted(nearest.tolist())}, yours are {sorted(found)}"
        + (f": {hint}" if hint else ""),
    )


def ids(found: Tensor | list) -> list[int]:
    """As plain ints, whatever holds them: what does is the form's business."""
    return [int(i) for i in (found.flatten() if isinstance(found, Tensor) else found)]


def kind(value: object) -> str:
    return "None (is there a `return`?)" if value is None else f"a {type(value).__name__}"


# --- Errors ---------------------------------------------------------------------------------------------


def refuses(what: str, function: Remote, *arguments: object) -> None:
    """Fail unless the call raises a ValueError."""
    try:
        function(*arguments)
    except LearnerError as error:
        if error.type in ("NotImplementedError", "TimeUp", "Died"):
            raise
        expect.that(
            error.type == "ValueError",
            f"{what} must raise a ValueError, yours is {error.type}: {error.message}",
        )
    else:
        raise expect.Failed(f"{what} must raise a ValueError, and yours raises nothing")

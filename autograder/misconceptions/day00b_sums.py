"""Day 0b · A model that learns sums: known wrong answers, then right ones, exercise by exercise."""

import copy

import torch

from autograder.misconception import right, wrong

# --- number_to_words ------------------------------------------------------------------------------------


@wrong("day00b.number_to_words", fails="small")
def number_to_words(n):
    """Zero has no word: 0 gives an empty text. Its word is "zero", and only after tens and hundreds it is left out."""
    if not 0 <= n <= 199:
        raise ValueError(n)
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    )
    small = small.split()
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    tens = tens.split()
    if n >= 100:
        return ("one hundred " + number_to_words(n - 100)).strip()
    if n >= 20:
        return (tens[n // 10 - 2] + " " + number_to_words(n % 10)).strip()
    return small[n] if n > 0 else ""


@wrong("day00b.number_to_words", fails="small")
def number_to_words(n):
    """The words from 13 to 19 are put together by rule: "threeteen", "fiveteen". They have to be listed."""
    if not 0 <= n <= 199:
        raise ValueError(n)
    small = "zero one two three four five six seven eight nine ten eleven twelve"
    small = small.split()
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    tens = tens.split()
    if n < 13:
        return small[n]
    if n < 20:
        return small[n - 10] + "teen"
    if n < 100:
        return tens[n // 10 - 2] + (" " + small[n % 10] if n % 10 else "")
    return "one hundred" + (" " + number_to_words(n - 100) if n > 100 else "")


@wrong("day00b.number_to_words", fails="tens")
def number_to_words(n):
    """Full tens get a zero: 20 gives "twenty zero". The zero is not said."""
    if not 0 <= n <= 199:
        raise ValueError(n)
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    )
    small = small.split()
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    tens = tens.split()
    if n < 20:
        return small[n]
    if n < 100:
        return tens[n // 10 - 2] + " " + small[n % 10]
    return "one hundred" + (" " + number_to_words(n - 100) if n > 100 else "")


@wrong("day00b.number_to_words", fails="tens")
def number_to_words(n):
    """Full tens end in a space: 20 gives "twenty " with a space and nothing after it."""
    if not 0 <= n <= 199:
        raise ValueError(n)
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    )
    small = small.split()
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    tens = tens.split()
    if n < 20:
        return small[n]
    if n < 100:
        return tens[n // 10 - 2] + " " + (small[n % 10] if n % 10 else "")
    return "one hundred" + (" " + number_to_words(n - 100) if n > 100 else "")


@wrong("day00b.number_to_words", fails=("tens", "joined"))
def number_to_words(n):
    """40 is spelt "fourty". It is "forty"."""
    if not 0 <= n <= 199:
        raise ValueError(n)
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    )
    small = small.split()
    tens = "twenty thirty fourty fifty sixty seventy eighty ninety"
    tens = tens.split()
    if n < 20:
        return small[n]
    if n < 100:
        return tens[n // 10 - 2] + (" " + small[n % 10] if n % 10 else "")
    return "one hundred" + (" " + number_to_words(n - 100) if n > 100 else "")


@wrong("day00b.number_to_words", fails="joined")
def number_to_words(n):
    """There is a hyphen between tens and units: "forty-two". Here it is a space."""
    if not 0 <= n <= 199:
        raise ValueError(n)
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    )
    small = small.split()
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    tens = tens.split()
    if n < 20:
        return small[n]
    if n < 100:
        return tens[n // 10 - 2] + ("-" + small[n % 10] if n % 10 else "")
    return "one hundred" + (" " + number_to_words(n - 100) if n > 100 else "")


@wrong("day00b.number_to_words", fails="joined")
def number_to_words(n):
    """There is no space between tens and units: "fortytwo"."""
    if not 0 <= n <= 199:
        raise ValueError(n)
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    )
    small = small.split()
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    tens = tens.split()
    if n < 20:
        return small[n]
    if n < 100:
        return tens[n // 10 - 2] + (small[n % 10] if n % 10 else "")
    return "one hundred" + (" " + number_to_words(n - 100) if n > 100 else "")


@wrong("day00b.number_to_words", fails="hundreds")
def number_to_words(n):
    """There is an "and": "one hundred and seven". Here it is "one hundred seven"."""
    if not 0 <= n <= 199:
        raise ValueError(n)
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    )
    small = small.split()
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    tens = tens.split()
    if n < 20:
        return small[n]
    if n < 100:
        return tens[n // 10 - 2] + (" " + small[n % 10] if n % 10 else "")
    return "one hundred" + (" and " + number_to_words(n - 100) if n > 100 else "")


@wrong("day00b.number_to_words", fails="hundreds")
def number_to_words(n):
    """100 is "one hundred zero": where nothing is left, nothing more is said."""
    if not 0 <= n <= 199:
        raise ValueError(n)
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    )
    small = small.split()
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    tens = tens.split()
    if n < 20:
        return small[n]
    if n < 100:
        return tens[n // 10 - 2] + (" " + small[n % 10] if n % 10 else "")
    return "one hundred " + number_to_words(n - 100)


@wrong("day00b.number_to_words", fails="hundreds")
def number_to_words(n):
    """The tens of a number above 100 are lost: 142 gives "one hundred two". After it comes all of n - 100."""
    if not 0 <= n <= 199:
        raise ValueError(n)
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    )
    small = small.split()
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    tens = tens.split()
    if n < 20:
        return small[n]
    if n < 100:
        return tens[n // 10 - 2] + (" " + small[n % 10] if n % 10 else "")
    return "one hundred" + (" " + small[n % 10] if n % 10 else "")


@wrong("day00b.number_to_words", fails="refuses")
def number_to_words(n):
    """No number is refused: 200 and -1 must be a ValueError, or they get the words of another number."""
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    )
    small = small.split()
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    tens = tens.split()
    if n < 20:
        return small[max(n, 0)]
    if n < 100:
        return tens[n // 10 - 2] + (" " + small[n % 10] if n % 10 else "")
    return "one hundred" + (" " + number_to_words(n % 100) if n % 100 else "")


@wrong("day00b.number_to_words", fails="refuses")
def number_to_words(n):
    """A number outside 0 to 199 gives a text that says so. It must raise a ValueError."""
    if not 0 <= n <= 199:
        return "out of range"
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    )
    small = small.split()
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    tens = tens.split()
    if n < 20:
        return small[n]
    if n < 100:
        return tens[n // 10 - 2] + (" " + small[n % 10] if n % 10 else "")
    return "one hundred" + (" " + number_to_words(n - 100) if n > 100 else "")


@wrong("day00b.number_to_words", fails="refuses")
def number_to_words(n):
    """Only numbers above 199 are refused: a negative one counts from the end of the list, and -1 becomes "nineteen"."""
    if n > 199:
        raise ValueError(n)
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    )
    small = small.split()
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    tens = tens.split()
    if n < 20:
        return small[n % 20]
    if n < 100:
        return tens[n // 10 - 2] + (" " + small[n % 10] if n % 10 else "")
    return "one hundred" + (" " + number_to_words(n - 100) if n > 100 else "")


@right("day00b.number_to_words")
def number_to_words(n):
    """A list of all names below 100, made first."""
    if not 0 <= n <= 199:
        raise ValueError(n)
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    )
    small = small.split()
    names = list(small)
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    tens = tens.split()
    for ten in tens:
        names.append(ten)
        names.extend(f"{ten} {unit}" for unit in names[1:10])
    if n < 100:
        return names[n]
    return "one hundred" if n == 100 else f"one hundred {names[n - 100]}"


@right("day00b.number_to_words")
def number_to_words(n):
    """Word by word, from the left."""
    if n < 0 or n > 199:
        raise ValueError("only 0 to 199")
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    )
    small = small.split()
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    tens = tens.split()
    words = []
    if n >= 100:
        words += ["one", "hundred"]
    rest = n % 100
    if rest >= 20:
        words.append(tens[rest // 10 - 2])
        rest %= 10
    if rest or not words:
        words.append(small[rest])
    return " ".join(words)


@right("day00b.number_to_words")
def number_to_words(n):
    """By a dictionary, with divmod."""
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    )
    small = small.split()
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    tens = tens.split()
    words = dict(enumerate(small)) | {100: "one hundred"}
    words |= {10 * i + 20: word for i, word in enumerate(tens)}
    if n in words:
        return words[n]
    if n not in range(200):
        raise ValueError(f"{n}?")
    rest = n % 100 if n > 100 else n % 10
    return words[n - rest] + " " + number_to_words(rest)


# --- gradient_step --------------------------------------------------------------------------------------


@wrong("day00b.gradient_step", fails="downhill")
def gradient_step(weight, gradient, lr):
    """The gradient is added: it points uphill, so the loss grows. Subtract it."""
    return weight + lr * gradient


@wrong("day00b.gradient_step", fails="size")
def gradient_step(weight, gradient, lr):
    """The learning rate is not used: every step is the whole gradient."""
    return weight - gradient


@wrong("day00b.gradient_step", fails="size")
def gradient_step(weight, gradient, lr):
    """Only the sign of the gradient is used, so that all weights move by the same amount."""
    return weight - lr * gradient.sign()


@wrong("day00b.gradient_step", fails="size")
def gradient_step(weight, gradient, lr):
    """The gradient is divided by its length first, so that flat and steep ground give steps of the same length."""
    return weight - lr * gradient / gradient.norm()


@wrong("day00b.gradient_step", fails="size")
def gradient_step(weight, gradient, lr):
    """The gradient is divided by the learning rate: a smaller one makes larger steps. Multiply."""
    return weight - gradient / (lr if lr else 1.0)


@wrong("day00b.gradient_step", fails="size")
def gradient_step(weight, gradient, lr):
    """The learning rate is on the weight, not on the gradient: lr * weight - gradient."""
    return lr * weight - gradient


@wrong("day00b.gradient_step", fails="unchanged")
def gradient_step(weight, gradient, lr):
    """The step is taken in place (weight -= …): the tensor that was handed in changes too."""
    weight -= lr * gradient
    return weight


@wrong("day00b.gradient_step", fails="unchanged")
def gradient_step(weight, gradient, lr):
    """The gradient is multiplied in place (gradient *= lr): whoever uses it again finds it smaller."""
    gradient *= lr
    return weight - gradient


@wrong("day00b.gradient_step", fails="formula")
def gradient_step(weight, gradient, lr):
    """Large gradients are cut off at ±50. That has its uses (Day 4), but it is not this step."""
    return weight - lr * gradient.clamp(-50, 50)


@right("day00b.gradient_step")
def gradient_step(weight, gradient, lr):
    """On a copy, in place."""
    new = weight.clone()
    new -= gradient * lr
    return new


@right("day00b.gradient_step")
def gradient_step(weight, gradient, lr):
    """By PyTorch's function."""
    return torch.sub(weight, gradient, alpha=lr)


@right("day00b.gradient_step")
def gradient_step(weight, gradient, lr):
    """Going uphill on the negative."""
    with torch.no_grad():
        return weight + (-lr) * gradient.detach()


@right("day00b.gradient_step")
def gradient_step(weight, gradient, lr):
    """By an optimizer, on a copy."""
    parameter = torch.nn.Parameter(weight.clone())
    parameter.grad = gradient.clone()
    torch.optim.SGD([parameter], lr=lr).step()
    return parameter.detach()


# --- blame ----------------------------------------------------------------------------------------------


@wrong("day00b.blame", fails="shares")
def blame(model, idx, targets):
    """The norms are not divided by their sum: what is returned are lengths, not shares."""
    stages = {"embedding": "wte wpe", "attention": "ln_1 attn", "mlp": "ln_2 mlp", "output": "ln_f lm_head"}
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(model(idx, targets)[1], [weight for _, weight in named])
    squares = dict.fromkeys(stages, 0.0)
    for (name, _), gradient in zip(named, gradients, strict=True):
        for stage, parts in stages.items():
            if set(parts.split()) & set(name.split(".")):
                squares[stage] += gradient.square().sum().item()
    return {stage: square**0.5 for stage, square in squares.items()}


@wrong("day00b.blame", fails="shares")
def blame(model, idx, targets):
    """The shares are in per cent: they sum to 100, not to 1."""
    stages = {"embedding": "wte wpe", "attention": "ln_1 attn", "mlp": "ln_2 mlp", "output": "ln_f lm_head"}
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(model(idx, targets)[1], [weight for _, weight in named])
    squares = dict.fromkeys(stages, 0.0)
    for (name, _), gradient in zip(named, gradients, strict=True):
        for stage, parts in stages.items():
            if set(parts.split()) & set(name.split(".")):
                squares[stage] += gradient.square().sum().item()
    total = sum(square**0.5 for square in squares.values())
    return {stage: 100 * square**0.5 / total for stage, square in squares.items()}


@wrong("day00b.blame", fails="stages")
def blame(model, idx, targets):
    """The norms ln_1 and ln_2 count as output. Each belongs to the stage that reads it: attention, mlp."""
    stages = {"embedding": "wte wpe", "attention": "attn", "mlp": "mlp", "output": "ln_1 ln_2 ln_f lm_head"}
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(model(idx, targets)[1], [weight for _, weight in named])
    squares = dict.fromkeys(stages, 0.0)
    for (name, _), gradient in zip(named, gradients, strict=True):
        for stage, parts in stages.items():
            if set(parts.split()) & set(name.split(".")):
                squares[stage] += gradient.square().sum().item()
    total = sum(square**0.5 for square in squares.values())
    return {stage: square**0.5 / total for stage, square in squares.items()}


@wrong("day00b.blame", fails="stages")
def blame(model, idx, targets):
    """The norms (ln_1, ln_2, ln_f) count nowhere: they hold weights as well."""
    stages = {"embedding": "wte wpe", "attention": "attn", "mlp": "mlp", "output": "lm_head"}
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(model(idx, targets)[1], [weight for _, weight in named])
    squares = dict.fromkeys(stages, 0.0)
    for (name, _), gradient in zip(named, gradients, strict=True):
        for stage, parts in stages.items():
            if set(parts.split()) & set(name.split(".")):
                squares[stage] += gradient.square().sum().item()
    total = sum(square**0.5 for square in squares.values()) or 1.0
    return {stage: square**0.5 / total for stage, square in squares.items()}


@wrong("day00b.blame", fails="norm")
def blame(model, idx, targets):
    """The root is missing: these are shares of the squared norms, in which the largest stage looks larger still."""
    stages = {"embedding": "wte wpe", "attention": "ln_1 attn", "mlp": "ln_2 mlp", "output": "ln_f lm_head"}
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(model(idx, targets)[1], [weight for _, weight in named])
    squares = dict.fromkeys(stages, 0.0)
    for (name, _), gradient in zip(named, gradients, strict=True):
        for stage, parts in stages.items():
            if set(parts.split()) & set(name.split(".")):
                squares[stage] += gradient.square().sum().item()
    total = sum(squares.values())
    return {stage: square / total for stage, square in squares.items()}


@wrong("day00b.blame", fails="norm")
def blame(model, idx, targets):
    """The norms of a stage's tensors are added. A stage has one norm: add the squares, and take one root."""
    stages = {"embedding": "wte wpe", "attention": "ln_1 attn", "mlp": "ln_2 mlp", "output": "ln_f lm_head"}
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(model(idx, targets)[1], [weight for _, weight in named])
    norms = dict.fromkeys(stages, 0.0)
    for (name, _), gradient in zip(named, gradients, strict=True):
        for stage, parts in stages.items():
            if set(parts.split()) & set(name.split(".")):
                norms[stage] += gradient.norm().item()
    total = sum(norms.values())
    return {stage: norm / total for stage, norm in norms.items()}


@wrong("day00b.blame", fails="norm")
def blame(model, idx, targets):
    """The absolute values of the gradients are added, not their squares."""
    stages = {"embedding": "wte wpe", "attention": "ln_1 attn", "mlp": "ln_2 mlp", "output": "ln_f lm_head"}
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(model(idx, targets)[1], [weight for _, weight in named])
    sums = dict.fromkeys(stages, 0.0)
    for (name, _), gradient in zip(named, gradients, strict=True):
        for stage, parts in stages.items():
            if set(parts.split()) & set(name.split(".")):
                sums[stage] += gradient.abs().sum().item()
    total = sum(sums.values())
    return {stage: each / total for stage, each in sums.items()}


@wrong("day00b.blame", fails="frozen")
def blame(model, idx, targets):
    """A frozen weight has no gradient, its .grad is None, and here that stops everything."""
    stages = {"embedding": "wte wpe", "attention": "ln_1 attn", "mlp": "ln_2 mlp", "output": "ln_f lm_head"}
    model(idx, targets)[1].backward()
    squares = dict.fromkeys(stages, 0.0)
    for name, weight in model.named_parameters():
        for stage, parts in stages.items():
            if set(parts.split()) & set(name.split(".")):
                squares[stage] += weight.grad.square().sum().item()
    model.zero_grad()
    total = sum(square**0.5 for square in squares.values())
    return {stage: square**0.5 / total for stage, square in squares.items()}


@wrong("day00b.blame", fails="frozen")
def blame(model, idx, targets):
    """All weights are made to need a gradient first, the frozen ones too: they stay out, as the model was handed in."""
    stages = {"embedding": "wte wpe", "attention": "ln_1 attn", "mlp": "ln_2 mlp", "output": "ln_f lm_head"}
    model.requires_grad_(True)
    model(idx, targets)[1].backward()
    squares = dict.fromkeys(stages, 0.0)
    for name, weight in model.named_parameters():
        for stage, parts in stages.items():
            if set(parts.split()) & set(name.split(".")):
                squares[stage] += weight.grad.square().sum().item()
    model.zero_grad()
    total = sum(square**0.5 for square in squares.values())
    return {stage: square**0.5 / total for stage, square in squares.items()}


@wrong("day00b.blame", fails="traces")
def blame(model, idx, targets):
    """The gradients stay in the model: the next backward() adds to them, and so does the next call of this."""
    stages = {"embedding": "wte wpe", "attention": "ln_1 attn", "mlp": "ln_2 mlp", "output": "ln_f lm_head"}
    model(idx, targets)[1].backward()
    squares = dict.fromkeys(stages, 0.0)
    for name, weight in model.named_parameters():
        for stage, parts in stages.items():
            if weight.grad is not None and set(parts.split()) & set(name.split(".")):
                squares[stage] += weight.grad.square().sum().item()
    total = sum(square**0.5 for square in squares.values())
    return {stage: square**0.5 / total for stage, square in squares.items()}


@wrong("day00b.blame", fails="traces")
def blame(model, idx, targets):
    """It takes a step as well: the model that comes out is not the one that went in. Blame only looks."""
    stages = {"embedding": "wte wpe", "attention": "ln_1 attn", "mlp": "ln_2 mlp", "output": "ln_f lm_head"}
    model(idx, targets)[1].backward()
    squares = dict.fromkeys(stages, 0.0)
    for name, weight in model.named_parameters():
        for stage, parts in stages.items():
            if weight.grad is not None and set(parts.split()) & set(name.split(".")):
                squares[stage] += weight.grad.square().sum().item()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    model.zero_grad()
    total = sum(square**0.5 for square in squares.values())
    return {stage: square**0.5 / total for stage, square in squares.items()}


@wrong("day00b.blame", fails="tied")
def blame(model, idx, targets):
    """A tied head is counted twice, as embedding and as output: remove_duplicate=False lists it so."""
    stages = {"embedding": "wte wpe", "attention": "ln_1 attn", "mlp": "ln_2 mlp", "output": "ln_f lm_head"}
    model(idx, targets)[1].backward()
    squares = dict.fromkeys(stages, 0.0)
    for name, weight in model.named_parameters(remove_duplicate=False):
        for stage, parts in stages.items():
            if weight.grad is not None and set(parts.split()) & set(name.split(".")):
                squares[stage] += weight.grad.square().sum().item()
    model.zero_grad()
    total = sum(square**0.5 for square in squares.values())
    return {stage: square**0.5 / total for stage, square in squares.items()}


@wrong("day00b.blame", fails="all_in_all")
def blame(model, idx, targets):
    """The table of places, wpe, is left out: it belongs to the embedding, beside wte."""
    stages = {"embedding": "wte", "attention": "ln_1 attn", "mlp": "ln_2 mlp", "output": "ln_f lm_head"}
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(model(idx, targets)[1], [weight for _, weight in named])
    squares = dict.fromkeys(stages, 0.0)
    for (name, _), gradient in zip(named, gradients, strict=True):
        for stage, parts in stages.items():
            if set(parts.split()) & set(name.split(".")):
                squares[stage] += gradient.square().sum().item()
    total = sum(square**0.5 for square in squares.values())
    return {stage: square**0.5 / total for stage, square in squares.items()}


@right("day00b.blame")
def blame(model, idx, targets):
    """By backward(), on a copy of the model."""
    model = copy.deepcopy(model)
    model.zero_grad()
    model(idx, targets)[1].backward()
    norms = {}
    for stage, parts in {
        "embedding": ("wte", "wpe"),
        "attention": ("ln_1", "attn"),
        "mlp": ("ln_2", "mlp"),
        "output": ("ln_f", "lm_head"),
    }.items():
        found = [
            weight.grad.flatten()
            for name, weight in model.named_parameters()
            if weight.grad is not None and any(part in name for part in parts)
        ]
        norms[stage] = float(torch.cat(found).norm()) if found else 0.0
    return {stage: norm / sum(norms.values()) for stage, norm in norms.items()}


@right("day00b.blame")
def blame(model, idx, targets):
    """By backward(), with the gradients taken out again afterwards; the norm of the tensors' norms."""
    stage_of = {"wte": "embedding", "wpe": "embedding", "ln_1": "attention", "attn": "attention"}
    stage_of |= {"ln_2": "mlp", "mlp": "mlp", "ln_f": "output", "lm_head": "output"}
    model.zero_grad()
    _, loss = model(idx, targets)
    loss.backward()
    norms = {stage: [0.0] for stage in ("embedding", "attention", "mlp", "output")}
    for name, weight in model.named_parameters():
        (stage,) = (stage_of[part] for part in name.split(".") if part in stage_of)
        if weight.grad is not None:
            norms[stage].append(weight.grad.norm().item())
    model.zero_grad(set_to_none=True)
    lengths = torch.tensor([torch.tensor(each, dtype=torch.double).norm() for each in norms.values()])
    return dict(zip(norms, (lengths / lengths.sum()).tolist(), strict=True))


@right("day00b.blame")
def blame(model, idx, targets):
    """Stage by stage, each with a gradient of its own."""
    _, loss = model(idx, targets)

    def length(*parts):
        weights = [
            weight
            for name, weight in model.named_parameters()
            if weight.requires_grad and set(name.split(".")) & set(parts)
        ]
        if not weights:
            return 0.0
        gradients = torch.autograd.grad(loss, weights, retain_graph=True)
        return sum((gradient**2).sum().item() for gradient in gradients) ** 0.5

    embedding, attention = length("wte", "wpe"), length("ln_1", "attn")
    mlp, output = length("ln_2", "mlp"), length("ln_f", "lm_head")
    total = embedding + attention + mlp + output
    return {
        "embedding": embedding / total,
        "attention": attention / total,
        "mlp": mlp / total,
        "output": output / total,
    }


# --- exact_match ----------------------------------------------------------------------------------------


@wrong("day00b.exact_match", fails="answers")
def exact_match(model, problems):
    """Tokens are counted, not answers: one wrong word of four still scores three quarters."""
    was_training = model.training
    model.eval()
    right, total = 0, 0
    for question, answer in problems:
        idx = torch.tensor([question])
        for _ in answer:
            idx = torch.cat([idx, model(idx)[0][:, -1].argmax(-1, keepdim=True)], 1)
        right += sum(a == b for a, b in zip(idx[0, len(question) :].tolist(), answer, strict=True))
        total += len(answer)
    model.train(was_training)
    if not total:
        raise ValueError("no problems")
    return right / total


@wrong("day00b.exact_match", fails="answers")
def exact_match(model, problems):
    """The right answers are counted, and not divided by the number of problems."""
    was_training = model.training
    model.eval()
    right = 0
    for question, answer in problems:
        idx = torch.tensor([question])
        for _ in answer:
            idx = torch.cat([idx, model(idx)[0][:, -1].argmax(-1, keepdim=True)], 1)
        right += idx[0, len(question) :].tolist() == answer
    model.train(was_training)
    if not problems:
        raise ValueError("no problems")
    return float(right)


@wrong("day00b.exact_match", fails="answers")
def exact_match(model, problems):
    """Only the last problem counts: what is returned is not the share of all."""
    was_training = model.training
    model.eval()
    if not problems:
        raise ValueError("no problems")
    for question, answer in problems:
        idx = torch.tensor([question])
        for _ in answer:
            idx = torch.cat([idx, model(idx)[0][:, -1].argmax(-1, keepdim=True)], 1)
        score = float(idx[0, len(question) :].tolist() == answer)
    model.train(was_training)
    return score


@wrong("day00b.exact_match", fails="to_the_end")
def exact_match(model, problems):
    """Only the first word of each answer is looked at: "one hundred twelve" passes for "one hundred eleven"."""
    was_training = model.training
    model.eval()
    right = []
    for question, answer in problems:
        logits, _ = model(torch.tensor([question]))
        right.append(logits[0, -1].argmax().item() == answer[0])
    model.train(was_training)
    if not right:
        raise ValueError("no problems")
    return sum(right) / len(right)


@wrong("day00b.exact_match", fails="to_the_end")
def exact_match(model, problems):
    """The token that ends the answer is not compared: "sixty" passes where the model went on to "sixty one"."""
    was_training = model.training
    model.eval()
    right = []
    for question, answer in problems:
        idx = torch.tensor([question])
        for _ in answer[:-1]:
            idx = torch.cat([idx, model(idx)[0][:, -1].argmax(-1, keepdim=True)], 1)
        right.append(idx[0, len(question) :].tolist() == answer[:-1])
    model.train(was_training)
    if not right:
        raise ValueError("no problems")
    return sum(right) / len(right)


@wrong("day00b.exact_match", fails="greedy")
def exact_match(model, problems):
    """The tokens are drawn by their probabilities, so that the score is another one at every call. Take the largest."""
    was_training = model.training
    model.eval()
    right, rand = [], torch.Generator().manual_seed(0)
    for question, answer in problems:
        idx = torch.tensor([question])
        for _ in answer:
            probs = torch.softmax(model(idx)[0][:, -1], -1)
            idx = torch.cat([idx, torch.multinomial(probs, 1, generator=rand)], 1)
        right.append(idx[0, len(question) :].tolist() == answer)
    model.train(was_training)
    if not right:
        raise ValueError("no problems")
    return sum(right) / len(right)


@wrong("day00b.exact_match", fails="greedy")
def exact_match(model, problems):
    """A token counts only if its probability is above one half. The most probable one need not be that sure."""
    was_training = model.training
    model.eval()
    right = []
    for question, answer in problems:
        idx = torch.tensor([question])
        sure = True
        for _ in answer:
            probs, best = torch.softmax(model(idx)[0][:, -1], -1).max(-1, keepdim=True)
            sure = sure and probs.item() > 0.5
            idx = torch.cat([idx, best], 1)
        right.append(sure and idx[0, len(question) :].tolist() == answer)
    model.train(was_training)
    if not right:
        raise ValueError("no problems")
    return sum(right) / len(right)


@wrong("day00b.exact_match", fails="mode")
def exact_match(model, problems):
    """The model stays in training mode while it answers. Call model.eval() first."""
    right = []
    for question, answer in problems:
        idx = torch.tensor([question])
        for _ in answer:
            idx = torch.cat([idx, model(idx)[0][:, -1].argmax(-1, keepdim=True)], 1)
        right.append(idx[0, len(question) :].tolist() == answer)
    if not right:
        raise ValueError("no problems")
    return sum(right) / len(right)


@wrong("day00b.exact_match", fails="mode")
def exact_match(model, problems):
    """The model is left in eval mode, whatever mode it came in."""
    model.eval()
    right = []
    for question, answer in problems:
        idx = torch.tensor([question])
        for _ in answer:
            idx = torch.cat([idx, model(idx)[0][:, -1].argmax(-1, keepdim=True)], 1)
        right.append(idx[0, len(question) :].tolist() == answer)
    if not right:
        raise ValueError("no problems")
    return sum(right) / len(right)


@wrong("day00b.exact_match", fails="mode")
def exact_match(model, problems):
    """The model is always left in training mode, also when it came in eval mode."""
    model.eval()
    right = []
    for question, answer in problems:
        idx = torch.tensor([question])
        for _ in answer:
            idx = torch.cat([idx, model(idx)[0][:, -1].argmax(-1, keepdim=True)], 1)
        right.append(idx[0, len(question) :].tolist() == answer)
    model.train()
    if not right:
        raise ValueError("no problems")
    return sum(right) / len(right)


@wrong("day00b.exact_match", fails="nothing")
def exact_match(model, problems):
    """Without any problems it divides by 0. Say what is wrong, in a ValueError."""
    was_training = model.training
    model.eval()
    right = []
    for question, answer in problems:
        idx = torch.tensor([question])
        for _ in answer:
            idx = torch.cat([idx, model(idx)[0][:, -1].argmax(-1, keepdim=True)], 1)
        right.append(idx[0, len(question) :].tolist() == answer)
    model.train(was_training)
    return sum(right) / len(right)


@wrong("day00b.exact_match", fails="nothing")
def exact_match(model, problems):
    """Without any problems the score is 0, which reads like that of a bad model. It is a ValueError."""
    was_training = model.training
    model.eval()
    right = []
    for question, answer in problems:
        idx = torch.tensor([question])
        for _ in answer:
            idx = torch.cat([idx, model(idx)[0][:, -1].argmax(-1, keepdim=True)], 1)
        right.append(idx[0, len(question) :].tolist() == answer)
    model.train(was_training)
    return sum(right) / max(len(right), 1)


@wrong("day00b.exact_match", fails="all_in_all")
def exact_match(model, problems):
    """The order of the words is not looked at: "two forty" passes for "forty two"."""
    was_training = model.training
    model.eval()
    right = []
    for question, answer in problems:
        idx = torch.tensor([question])
        for _ in answer:
            idx = torch.cat([idx, model(idx)[0][:, -1].argmax(-1, keepdim=True)], 1)
        right.append(sorted(idx[0, len(question) :].tolist()) == sorted(answer))
    model.train(was_training)
    if not right:
        raise ValueError("no problems")
    return sum(right) / len(right)


@wrong("day00b.exact_match", fails=("answers", "to_the_end", "greedy", "mode", "nothing"))
def exact_match(model, problems):
    """What the model writes is never read: each word is asked for with the question alone, so the first repeats."""
    was_training = model.training
    model.eval()
    right = []
    for question, answer in problems:
        idx = torch.tensor([question])
        wrote = [model(idx)[0][0, -1].argmax().item() for _ in answer]
        right.append(wrote == answer)
    model.train(was_training)
    if not right:
        raise ValueError("no problems")
    return sum(right) / len(right)


@right("day00b.exact_match")
def exact_match(model, problems):
    """In one pass with the answer written out: it is what the model writes if it fits in every place."""
    problems = list(problems)
    if not problems:
        raise ValueError("give at least one problem")
    was_training, count = model.training, 0
    model.eval()
    with torch.no_grad():
        for question, answer in problems:
            logits, _ = model(torch.tensor([[*question, *answer]]))
            best = logits[0, len(question) - 1 : -1].argmax(-1)
            count += int(best.tolist() == list(answer))
    model.train(was_training)
    return count / len(problems)


@right("day00b.exact_match")
def exact_match(model, problems):
    """It stops at the first wrong word."""

    def solves(question, answer):
        line = list(question)
        for word in answer:
            logits, _ = model(torch.tensor([line]))
            if int(torch.argmax(logits[0, -1])) != word:
                return False
            line.append(word)
        return True

    mode = model.training
    model.train(False)
    try:
        with torch.inference_mode():
            score = torch.tensor([solves(q, a) for q, a in problems], dtype=torch.double).mean().item()
    finally:
        model.train(mode)
    if score != score:
        raise ValueError("no problems")
    return score


@right("day00b.exact_match")
def exact_match(model, problems):
    """Questions of one length together, in batches."""
    if len(problems) == 0:
        raise ValueError("no problems")
    mode = model.training
    model.eval()
    right = 0
    with torch.no_grad():
        for length in {len(question) for question, _ in problems}:
            group = [problem for problem in problems if len(problem[0]) == length]
            idx = torch.tensor([question for question, _ in group])
            for _ in range(max(len(answer) for _, answer in group)):
                logits, _ = model(idx)
                idx = torch.cat([idx, logits[:, -1:].argmax(dim=-1)], dim=1)
            for row, (_, answer) in zip(idx.tolist(), group, strict=True):
                right += row[length : length + len(answer)] == list(answer)
    model.train(mode)
    return right / len(problems)

"""What the figures of Leavitt & Morcos show, written down apart from the register that the code has."""

# What the paper's figures show: number, the side of α, then a word for each panel: letter (- where a figure has one
# panel and no letter; ? behind it where the paper's text does not describe it), what is drawn, and the network.
PAPER = """
1    negative  a:accuracy:18      b:violins:18      c:tradeoff:18
2    negative  a:cca_layers:18    b:cca_ratio:18    c:bound_by_alpha:18
3    positive  a:accuracy:18      b:violins:18      c:tradeoff:18
4    both      a:signs:18         b:tradeoff:18
A1   negative  a:by_layer/si:18   b:by_alpha/si:18  c:by_layer/si:20  d:by_alpha/si:20
A2   negative  a:accuracy:20      b:violins:20      c:tradeoff:20
A3   negative  a:cca_ratio:20
A4   negative  a:bound_by_layer:18  b:bound_by_alpha:20  c:bound_by_layer:20
A5   positive  a:by_layer/si:18   b:by_alpha/si:18  c:by_layer/si:20  d:by_alpha/si:20
A6   positive  a:accuracy:20      b?:violins:20     c?:tradeoff:20
A7   positive  a:by_alpha/dead:18
A8   positive  a:by_alpha/dead:20 b?:by_layer/si_living:20  c?:by_alpha/si_living:20
A9   positive  -:leaky:20
A10  both      a:active:18        b:active:20
A11  negative  a:by_layer/si:16   b:by_alpha/si:16
A12  negative  a:accuracy:16      b?:violins:16     c?:tradeoff:16
A13  positive  a:by_layer/si:16   b:by_alpha/si:16
A14  positive  a?:accuracy:16     b?:violins:16     c?:tradeoff:16
A15  both      -:signs:16
A16  both      a?:two_networks/si:16+20  b:two_networks/si:16+20
A17  both      a:by_layer/precision:18  b:by_alpha/precision:18  c:by_layer/precision:18  d:by_alpha/precision:18  \
 e:by_layer/precision:20  f:by_alpha/precision:20  g:by_layer/precision:20  h:by_alpha/precision:20
A18  both      a?:by_layer/mutual_information:18  b?:by_alpha/mutual_information:18  \
 c?:by_layer/mutual_information:18  d?:by_alpha/mutual_information:18  e?:by_layer/mutual_information:20  \
 f?:by_alpha/mutual_information:20  g?:by_layer/mutual_information:20  h?:by_alpha/mutual_information:20
A19  both      a:by_alpha/dprime:18  b?:accuracy:18  c:by_alpha/dprime:20  d?:accuracy:20
A20  negative  a:by_layer/si:18   b:by_alpha/si/first3:18  c:by_layer/si:20  d:by_alpha/si/first3:20
A21  negative  a:accuracy:18      b?:tradeoff/first3:18    c:accuracy:20     d?:tradeoff/first3:20
A22  positive  a:by_layer/si:18   b:by_alpha/si/first3:18  c:by_layer/si:20  d:by_alpha/si/first3:20
A23  positive  a:accuracy:18      b?:tradeoff/first3:18    c:accuracy:20     d?:tradeoff/first3:20
A24  negative  a:by_layer/si:18   b:by_alpha/si/last3:18   c:by_layer/si:20  d:by_alpha/si/last3:20
A25  negative  a:accuracy:18      b?:tradeoff/last3:18     c:accuracy:20     d?:tradeoff/last3:20
A26  positive  a:by_layer/si:18   b:by_alpha/si/last3:18   c:by_layer/si:20  d:by_alpha/si/last3:20
A27  positive  a:accuracy:18      b?:tradeoff/last3:18     c:accuracy:20     d?:tradeoff/last3:20
A28  positive  a:by_alpha/switched:18  b:by_alpha/switched:20
A29  positive  a:by_alpha/switches:18  b:by_alpha/switches:20
A30  both      a:by_layer/si:18   b:by_alpha/si:18  c:by_layer/si:20  d:by_alpha/si:20
A31  both      a:accuracy:18      b:accuracy:20
A32  both      -?:signs:20
A33  both      -?:tradeoff:20
A34  both      a:by_alpha/si:50   b:accuracy:50
"""
LINES = [line.split() for line in PAPER.replace("\\\n", "").strip().splitlines()]
NETWORKS = {"16": "vgg16", "18": "resnet18", "20": "resnet20", "50": "resnet50"}
# Two signs in one figure, panel by panel.
HALVES = {"A16": "-+", "A17": "--++--++", "A18": "--++--++"}
# What the regularised runs of a figure have that others do not.
OTHERWISE = {
    **{f"A{k}": {"layers": "first3"} for k in range(20, 24)}, **{f"A{k}": {"layers": "last3"} for k in range(24, 28)},
    "A19": {"index": "dprime"},
}  # fmt: skip
WARMED_UP = ("A30", "A31")
LEAKY = "A9"
PLAIN = {"layers": "all", "index": "si", "estimate": "batch", "activation": "relu", "warmup_epochs": 0.0}
NAMES = {"resnet18": "ResNet18", "resnet20": "ResNet20", "resnet50": "ResNet50", "vgg16": "VGG16"}

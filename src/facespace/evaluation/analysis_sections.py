"""An analysis in words: one page that says of each picture what it shows, how to read it and what to notice in this space.
Measures nothing."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from facespace.evaluation import analysis_charts as pictures
from facespace.evaluation.analysis_charts import plain_name
from facespace.latent.maps import METHODS
from facespace.report.page import Picture, Section, page
from facespace.report.tables import cell, plain

if TYPE_CHECKING:
    from facespace.evaluation.analyze import Analysis

LISTED = 20  # latents in the table
CLOSE = {"length": 0.1, "norm_of_mean": 0.25}  # how near to the prior counts as near
CHI = 0.707  # deviation of the length of a draw from N(0, I) in more than a few dimensions

Facts = Mapping[str, Any]


def html(analysis: "Analysis", facts: Facts, shown: pictures.Shown) -> str:
    """The page; pictures of faces on it are the space's own output."""
    sections = [make(facts, shown) for make in SECTIONS]
    return page(f"Inside {_name(facts)}", [section for section in sections if section])


def brief(facts: Facts) -> str:
    """The figures for the terminal."""
    lines = [_summary(facts), _notice_latents(facts), _notice_components(facts), _notice_attributes(facts)]
    lines += [_notice_posterior(facts), *facts["maps_missing"]]
    return "\n".join(filter(None, lines))


def _name(facts: Facts) -> str:
    space = facts["protocol"]["space"]
    return plain(space["recipe"] or space["folder"])


def _summary(facts: Facts) -> str:
    told = facts["protocol"]
    size = "×".join(map(str, told["space"]["image"]))
    return (
        f"{_name(facts)}, {told['space']['family']} of {size} faces with {told['space']['latents']:,} latents, looked into with "
        f"{told['faces']:,} faces of the split {told['split']} ({told['set']['source']}, crop {told['set']['crop']})."
    )


def summary(facts: Facts, shown: pictures.Shown) -> Section:
    """The first screen: everything worth noticing."""
    noticed = {
        "Latents": _notice_latents(facts),
        "Components": _notice_components(facts),
        "Attributes": _notice_attributes(facts),
        "Prior": _notice_posterior(facts),
    }
    rows = [["", ""], *([name, text] for name, text in noticed.items() if text)]
    return Section("In short", _summary(facts), table=rows)


def _notice_latents(facts: Facts) -> str:
    found = facts["latents"]
    total, rows = len(found["rows"]), found["rows"]
    moved = sum(row["influence"] for row in rows) or 1.0
    half, so_far = 0, 0.0
    while half < total and so_far < 0.5 * moved:
        so_far += rows[half]["influence"]
        half += 1
    dead = (
        f"{len(found['dead'])} of {total} latents are dead"
        if found["dead"]
        else f"All {total} latents are active"
    )
    nats = f" They cost {found['kl']:,.1f} nats a face." if found["kl"] is not None else ""
    return f"{dead}. The {half} most influential make half of the influence.{nats}"


def _notice_components(facts: Facts) -> str:
    found = facts["components"]
    if found["for_50_percent"] is None:
        return "Nothing varies: the encoder says the same of every face."
    return (
        f"The first component holds {100 * found['explained'][0]:.0f} % of the variance; half of it takes {found['for_50_percent']} "
        f"and 90 % takes {found['for_90_percent']} of {len(found['explained'])} components."
    )


def _notice_attributes(facts: Facts) -> str:
    measured = {name: one["auc"] for name, one in facts["attributes"].items() if one["auc"] is not None}
    if not facts["attributes"]:
        return "The set knows no attributes, so nothing is said of them and the maps are not coloured."
    if not measured:
        return "No attribute has ten faces with it and ten without, so none could be measured."
    ranked = sorted(measured, key=lambda name: -measured[name])
    best = ", ".join(f"{plain_name(name)} ({measured[name]:.2f})" for name in ranked[:3])
    worst = ", ".join(f"{plain_name(name)} ({measured[name]:.2f})" for name in reversed(ranked[3:][-3:]))
    return f"Best told apart, by AUC: {best}." + (f" Worst: {worst}." if worst else "")


def _notice_posterior(facts: Facts) -> str:
    found = facts["posterior"]
    typical = found["dimensions"] ** 0.5
    ratio = found["length_mean"] / typical
    far = found["norm_of_mean"] > CLOSE["norm_of_mean"] * typical
    lies = (
        f"the mean of all faces lies {found['norm_of_mean']:.2f} deviations from the prior's"
        f"{', so that samples are unlike these faces' if far else ''}"
    )
    if abs(ratio - 1) <= CLOSE["length"]:
        size = "Encoded faces are as long as the prior's draws"
    else:
        size = f"Encoded faces are {'shorter' if ratio < 1 else 'longer'} than the prior's draws"
    total = facts["protocol"]["space"]["latents"]
    flat = (
        f" The prior varies along {found['dimensions']} of {total} axes only."
        if found["dimensions"] < total
        else ""
    )
    wide = found["length_deviation"] / CHI
    tails = (
        f" Their lengths spread {wide:.1f} times as widely: some faces are typical, others far out."
        if wide > 1.5
        else ""
    )
    return f"{size} (mean {found['length_mean']:.2f}, √{found['dimensions']} = {typical:.2f}); {lies}.{tails}{flat}"


def maps(facts: Facts, shown: pictures.Shown) -> Section:
    """All maps of attributes."""
    text = (
        "Each mark is a face, laid on paper so that faces with alike latents lie close together. Triangles have the attribute "
        "in the title, circles do not. Where the two part, the space knows the attribute; where they mix, look at the AUC: a cut "
        "through all latents may part what paper cannot.\n\n"
        "The map of components is a straight view from one side, on which distances can only shrink. On the other maps only "
        "neighbourhoods mean something: not the sizes of clusters, nor the distances between them. Trustworthiness asks whether "
        "the ten neighbours on paper are true neighbours: 1 is always, and about 0.5 is what places at random have.\n\n"
    )
    return Section("Maps of attributes", text + " ".join([_notice_attributes(facts), *facts["maps_missing"]]), [
        Picture(f"{title}.", shown[f"map-{name}.png"], f"Scatter plots of faces on the {title} map, one for each attribute")
        for name, (title, _) in METHODS.items()
        if f"map-{name}.png" in shown
    ])  # fmt: skip


def faces(facts: Facts, shown: pictures.Shown) -> Section:
    """All maps of faces."""
    text = (
        "Faces that are alike lie close together. In each cell stands the one nearest to its middle, as the space draws it (no "
        "photograph is shown); the map is stretched to fill the sheet. Walk from one side to the other and see what changes: light, pose, background and hair usually "
        "come first, since they fill most pixels."
    )
    return Section("Maps of faces", text, [
        Picture(f"{title}.", shown[f"faces-{name}.png"], f"Reconstructed faces where they lie on the {title} map")
        for name, (title, _) in METHODS.items()
        if f"faces-{name}.png" in shown
    ])  # fmt: skip


def latents(facts: Facts, shown: pictures.Shown) -> Section:
    """Histograms and the table."""
    found = facts["latents"]
    text = (
        "How often each latent takes which value, the most influential first: influence is how much the picture changes, on "
        "average over pixels and faces, when that latent grows by one standard deviation. A dead latent says the same of every "
        f"face (variance up to {found['active_above']:.3g}) and could be left out.\n\n"
        + _notice_latents(facts)
    )
    rows = [
        [
            "latent",
            "influence",
            "lowest",
            "highest",
            "mean",
            "deviation",
            "total activation",
            "KL, nats",
            "goes with",
        ]
    ]
    for row in found["rows"][:LISTED]:
        goes = (
            "–" if row["attribute"] is None else f"{plain_name(row['attribute'])} {row['correlation']:+.2f}"
        )
        values = (row[name] for name in ("minimum", "maximum", "mean", "deviation"))
        rows.append(
            [
                f"z {row['latent']}" + ("" if row["active"] else " ×"),
                f"{row['influence']:.4f}",
                *(f"{value:.2f}".replace("-", "−") for value in values),
                f"{row['total_activation']:,.0f}",
                cell(row["kl"], ".2f"),
                goes.replace("-", "−"),
            ]
        )
    if len(found["rows"]) > LISTED:
        text += f" The table has the first {LISTED}; latents.csv has all."
    caption = "A histogram for each latent, by influence."
    return Section("Single latents", text, [Picture(caption, shown[pictures.LATENTS])], rows)


def walks(facts: Facts, shown: pictures.Shown) -> Section:
    """Along single latents."""
    text = (
        "Each row starts from the mean face in the middle and moves one latent alone, three standard deviations to either "
        "side. A latent that changes one thing is easy to use; most change several. Attributes under a name are those that it "
        f"goes with beyond chance (|r| above {facts['correlations']['by_chance']:.2f} or so)."
    )
    caption = "Walks along the most influential latents."
    return Section("Walks along latents", text, [Picture(caption, shown[pictures.TRAVERSALS])])


def components(facts: Facts, shown: pictures.Shown) -> Section | None:
    """Along components."""
    if pictures.COMPONENTS not in shown:
        return None
    text = (
        "Components are directions in which faces differ most, each at right angles to those before; they mix latents. "
        "Here the rows move along them.\n\n" + _notice_components(facts)
    )
    return Section(
        "Walks along components", text, [Picture("Principal components.", shown[pictures.COMPONENTS])]
    )


def correlations(facts: Facts, shown: pictures.Shown) -> Section | None:
    """The tables of correlations."""
    if pictures.CORRELATIONS not in shown:
        return None
    text = (
        "Above, how strongly each axis goes with each attribute; below, how strongly the attributes of this set go with each "
        "other. What is strong below cannot be told apart above: an axis that goes with one attribute goes with its companions. "
        f"Above, |r| up to {facts['correlations']['by_chance']:.2f} comes about by chance."
    )
    caption = "Correlations; red together, blue apart, gray where an attribute does not vary."
    return Section("What goes with what", text, [Picture(caption, shown[pictures.CORRELATIONS])])


def posterior(facts: Facts, shown: pictures.Shown) -> Section:
    """Against the prior."""
    found = facts["posterior"]
    text = (
        f"New faces are drawn from {found['prior']}. They are good where the latents of real faces lie the same way: "
        "filled shapes should fill the space under the lines, triangles lie at 1 and circles at 0. Gaps under a line are places "
        "where the decoder has never seen a face.\n\n" + _notice_posterior(facts)
    )
    rows = [["against the prior", "found", "ideal"]]
    rows.append(["length of the mean", f"{found['norm_of_mean']:.3f}", "0"])
    rows.append(["mean variance", f"{found['variance_mean']:.3f}", "1"])
    rows.append(["distance of the covariance to I (Frobenius)", f"{found['covariance_distance']:.3f}", "0"])
    rows.append(["mean absolute correlation", cell(found["mean_absolute_correlation"], ".3f"), "0"])
    caption = "The most influential latents, the least influential active ones, and all together."
    return Section("Faces against the prior", text, [Picture(caption, shown[pictures.POSTERIOR])], rows)


def factors(facts: Facts, shown: pictures.Shown) -> Section | None:
    """Disentanglement."""
    found = facts["disentanglement"]
    if not found:
        return None
    if "why_not" in found:
        return Section("Disentanglement", found["why_not"])
    rows = [["factor", "MIG", "SAP", "completeness", "informativeness", "latent"]]
    means = (found[name] for name in ("mig", "sap", "dci_completeness", "dci_informativeness"))
    rows.append(["all, on average", *(f"{value:.3f}" for value in means), ""])
    for name, one in found["per_factor"].items():
        figures = (one[figure] for figure in ("mig", "sap", "completeness", "informativeness"))
        rows.append([plain_name(name), *(f"{value:.3f}" for value in figures), f"z {one['latent']}"])
    text = (
        "These faces are drawn from known factors, so it can be told whether each factor has latents of its own. MIG and SAP "
        "ask how far the best latent is ahead of the second best, completeness whether few latents tell a factor, and "
        "informativeness whether all together do: 1 is best, 0 nothing. Whether each latent serves one factor alone (DCI "
        f"disentanglement): {found['dci_disentanglement']:.3f}.\n\n" + " ".join(found["left_out"])
    )
    return Section("Disentanglement", text, table=rows)


def protocol(facts: Facts, shown: pictures.Shown) -> Section:
    """How it was measured."""
    rows = [["", ""], *([plain_name(name), _said(value)] for name, value in facts["protocol"].items())]
    rows.append(["seconds", f"{facts['seconds']:,.0f}"])
    text = "Every figure stands in analysis.json; the latents of all faces, with what is known of them, in the embeddings."
    return Section("How this was measured", text, table=rows)


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{plain_name(name)} {_said(one)}" for name, one in value.items())
    return "×".join(map(str, value)) if isinstance(value, list) else plain(str(value))


SECTIONS: Sequence[Callable[[Facts, pictures.Shown], Section | None]] = (
    summary,
    faces,
    maps,
    walks,
    components,
    latents,
    correlations,
    posterior,
    factors,
    protocol,
)

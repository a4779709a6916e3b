"""The sections of an analysis page: what each picture shows, how to read it, and what stands out in this
space. Measures nothing."""

from collections.abc import Callable, Sequence

from facespace.evaluation import analysis_charts as pictures
from facespace.evaluation.analysis_charts import Pictures
from facespace.evaluation.analysis_results import AnalysisResults, AnalyzedSpace
from facespace.evaluation.disentanglement import NotMeasured
from facespace.evaluation.latents import advise
from facespace.latent.disentanglement import FactorScores
from facespace.latent.maps import METHODS
from facespace.latent.structure import LatentRow, half_of_influence
from facespace.report.page import Picture, Section
from facespace.report.tables import NONE, format_number, plain, plain_name, signed

LISTED = 20  # latents in the table
LENGTH_TOLERANCE = 0.1  # relative difference of lengths up to which they agree with the prior
MEAN_TOLERANCE = 0.25  # distance of the means, relative to the typical length, up to which they agree
CHI_DEVIATION = 0.707  # of the length of a sample of N(0, I) in more than a few dimensions
WIDE = 1.5  # ratio of deviations of lengths from which they are reported
FILES_TEXT = (
    "All figures are in analysis.json; the latents of all faces, with their attributes, in the embeddings."
)
LATENT_HEAD = [
    *("latent", "influence", "lowest", "highest", "mean", "deviation"),
    *("total activation", "KL, nats", "correlates with"),
]
COMPARED = "against the model's own prior", "found", "ideal"


def sections(results: AnalysisResults, shown: Pictures) -> list[Section | None]:
    """The sections of the page, None for one that has no content."""
    return [make(results, shown) for make in SECTIONS]


def headlines(results: AnalysisResults) -> list[str]:
    """The lines of the terminal summary."""
    return [_subject(results), *_observations(results).values()]


def title(results: AnalysisResults) -> str:
    """The title of the page."""
    return f"Inside {_name(results)}"


def _name(results: AnalysisResults) -> str:
    space = results.protocol.space
    return plain(space.recipe or space.folder)


def _subject(results: AnalysisResults) -> str:
    protocol = results.protocol
    space, faces = protocol.space, protocol.set
    size = "×".join(map(str, space.image))
    family = space.family if isinstance(space, AnalyzedSpace) else ""
    return (
        f"{_name(results)}, {family} of {size} faces with {space.latents:,} latents, analyzed with "
        f"{protocol.faces:,} faces of the split {protocol.split} ({faces.source}, crop {faces.crop})."
    )


def _observations(results: AnalysisResults) -> dict[str, str]:
    return {
        "Latents": _latent_observation(results),
        "Components": _component_observation(results),
        "Attributes": _attribute_observation(results),
        "Prior": _verdict(results),
    }


def summary(results: AnalysisResults, shown: Pictures) -> Section:
    """What stands out."""
    rows = [["", ""], *map(list, _observations(results).items())]
    return Section("In short", _subject(results), table=rows)


def _latent_observation(results: AnalysisResults) -> str:
    found = results.latents
    total = len(found.rows)
    text = f"All {total} latents are active"
    if found.dead:
        text = f"{len(found.dead)} of {total} latents are dead"
    text += f". The {half_of_influence(found.rows)} most influential cause half of all change."
    if found.kl is not None:
        text += f" Together they carry {found.kl:,.1f} nats of information on a face (KL)."
    return text


def _component_observation(results: AnalysisResults) -> str:
    found = results.components
    if found.for_50_percent is None:
        return "Nothing varies: the encoder maps all faces to the same latent."
    return (
        f"The first principal component explains {100 * found.explained[0]:.0f} % of the variance of "
        f"latents; {found.for_50_percent} of {len(found.explained)} explain half of it, "
        f"{found.for_90_percent} explain 90 %."
    )


def _attribute_observation(results: AnalysisResults) -> str:
    if not results.attributes:
        return "The set knows no attributes, so none is measured and the maps are not coloured."
    measured = [(facts.auc, name) for name, facts in results.attributes.items() if facts.auc is not None]
    if not measured:
        return "No attribute has ten faces with it and ten without, so none could be measured."
    measured.sort(key=lambda pair: -pair[0])
    ranked = [f"{plain_name(name)} ({auc:.2f})" for auc, name in measured]
    best, worst = ranked[:3], ranked[3:][:-4:-1]
    text = f"A linear classifier of latents has its highest AUC (0.5 is chance) for {', '.join(best)}."
    return f"{text} Lowest: {', '.join(worst)}." if worst else text


def _verdict(results: AnalysisResults) -> str:
    """The conclusions of an evaluation from the same figures."""
    return " ".join(f"{one.text} {one.change}".strip() for one in advise(results.health))


def _own_prior_observation(results: AnalysisResults) -> str:
    """How the faces lie in the model's own prior, from which new faces need not be drawn."""
    found = results.posterior
    typical = found.dimensions**0.5
    size = "The latents of encoded faces are as long as samples of the prior"
    ratio = found.length_mean / typical
    if abs(ratio - 1) > LENGTH_TOLERANCE:
        size = f"The latents of faces are {'shorter' if ratio < 1 else 'longer'} than samples of the prior"
    mean = f"the mean of all faces is {found.norm_of_mean:.2f} standard deviations from the prior's"
    if found.norm_of_mean > MEAN_TOLERANCE * typical:
        mean += ", so that samples differ from these faces"
    text = f"{size} (mean length {found.length_mean:.2f}, √{found.dimensions} = {typical:.2f}); {mean}."
    wide = found.length_deviation / CHI_DEVIATION
    if wide > WIDE:
        text += f" Their lengths spread {wide:.1f} times as widely: some faces are typical, others outliers."
    total = results.protocol.space.latents
    if found.dimensions < total:
        text += f" The prior varies along {found.dimensions} of {total} axes only."
    return text


def maps(results: AnalysisResults, shown: Pictures) -> Section:
    """The maps coloured by attributes."""
    text = (
        "Each mark is a face; faces with similar latents lie close together. Triangles have the attribute in "
        "the title, circles do not. Where the two separate, the latents encode the attribute; where they "
        "mix, compare the AUC: a linear probe on all latents may separate what two dimensions cannot.\n\n"
        "The map of components is a linear projection, on which distances can only shrink. On the other maps "
        "only neighbourhoods are meaningful: neither the sizes of clusters nor the distances between them "
        "are. Trustworthiness is 1 if the ten neighbours of a face on the map are its neighbours among all "
        "latents, and about 0.5 for random places.\n\n"
    )
    text += " ".join([_attribute_observation(results), *results.maps_missing])
    made = _maps("map", "Scatter plots of faces on the {} map, one for each attribute", shown)
    return Section("Maps of attributes", text, made)


def faces(results: AnalysisResults, shown: Pictures) -> Section:
    """The maps of faces."""
    text = (
        "Similar faces lie close together. Each cell shows the reconstruction of the face nearest to its "
        "middle (no photograph is shown); the map is stretched to fill the grid. From one side to the "
        "other, light, pose, background and hair usually change first, since they cover most pixels."
    )
    made = _maps("faces", "Reconstructed faces at their places on the {} map", shown)
    return Section("Maps of faces", text, made)


def _maps(kind: str, alt: str, shown: Pictures) -> list[Picture]:
    known = {method: shown.get(f"{kind}-{name}.png") for name, (method, _) in METHODS.items()}
    return [Picture(f"{method}.", file, alt.format(method)) for method, file in known.items() if file]


def latents(results: AnalysisResults, shown: Pictures) -> Section:
    """Histograms and a table of single latents."""
    found = results.latents
    text = (
        "Histograms of each latent, the most influential first: influence is the change of the picture, "
        "averaged over pixels and faces, when that latent grows by one standard deviation. A dead latent "
        "is the same for all faces (variance up to "
        f"{found.active_threshold:.3g}) and could be removed.\n\n" + _latent_observation(results)
    )
    if len(found.rows) > LISTED:
        text += f" The table has the first {LISTED}; latents.csv has all."
    rows = [LATENT_HEAD, *map(_latent_cells, found.rows[:LISTED])]
    caption = "A histogram for each latent, by influence."
    return Section("Single latents", text, [Picture(caption, shown[pictures.LATENTS])], rows)


def _latent_cells(row: LatentRow) -> list[str]:
    name = f"z {row.latent}" if row.active else f"z {row.latent} ×"
    correlated = NONE
    if row.attribute is not None:
        correlated = f"{plain_name(row.attribute)} {row.correlation:+.2f}"
    return [
        name,
        f"{row.influence:.4f}",
        signed(f"{row.minimum:.2f}"),
        signed(f"{row.maximum:.2f}"),
        signed(f"{row.mean:.2f}"),
        signed(f"{row.deviation:.2f}"),
        f"{row.total_activation:,.0f}",
        format_number(row.kl, ".2f"),
        signed(correlated),
    ]


def walks(results: AnalysisResults, shown: Pictures) -> Section:
    """Traversals of single latents."""
    text = (
        "Each row starts from the mean face in the middle and changes one latent alone, by up to three "
        "standard deviations to either side. A latent that changes one thing is easy to use; most change "
        "several. The attribute below a name correlates significantly with the latent (|r| above about "
        f"{results.correlations.by_chance:.2f})."
    )
    made = [Picture("Traversals of the most influential latents.", shown[pictures.TRAVERSALS])]
    return Section("Traversals of latents", text, made)


def components(results: AnalysisResults, shown: Pictures) -> Section | None:
    """Traversals along principal components."""
    if pictures.COMPONENTS not in shown:
        return None
    text = (
        "Principal components are the orthogonal directions in which faces differ most; each mixes several "
        "latents. Each row moves along one of them.\n\n" + _component_observation(results)
    )
    made = [Picture("Principal components.", shown[pictures.COMPONENTS])]
    return Section("Traversals along components", text, made)


def correlations(results: AnalysisResults, shown: Pictures) -> Section | None:
    """The tables of correlations."""
    if pictures.CORRELATIONS not in shown:
        return None
    text = (
        "Above, the correlation of each axis with each attribute; below, of the attributes of this set "
        "with each other. Attributes that correlate below cannot be distinguished above: an axis that "
        "correlates with one also correlates with the others. Above, |r| up to "
        f"{results.correlations.by_chance:.2f} is expected by chance."
    )
    caption = "Correlations; red positive, blue negative, gray where an attribute does not vary."
    return Section("Correlations", text, [Picture(caption, shown[pictures.CORRELATIONS])])


def posterior(results: AnalysisResults, shown: Pictures) -> Section:
    """The aggregate posterior against the prior."""
    found = results.posterior
    text = (
        f"{_verdict(results)}\n\nThe picture and the table compare the aggregate posterior of real faces "
        f"with {found.prior}, the model's own. Where they are equal, the filled shapes fill the space "
        "below the lines, triangles lie at 1 and circles at 0. A gap below a line is a region on which the "
        "decoder was never trained. " + _drawn_from(results) + "\n\n" + _own_prior_observation(results)
    )
    rows = [
        list(COMPARED),
        ["length of the mean", f"{found.norm_of_mean:.3f}", "0"],
        ["mean variance", f"{found.variance_mean:.3f}", "1"],
        ["distance of the covariance to I (Frobenius)", f"{found.covariance_distance:.3f}", "0"],
        ["mean absolute correlation", format_number(found.mean_absolute_correlation, ".3f"), "0"],
    ]
    caption = "The most influential latents, the least influential active ones, and all together."
    return Section(
        "Faces against the model's own prior", text, [Picture(caption, shown[pictures.POSTERIOR])], rows
    )


def _drawn_from(results: AnalysisResults) -> str:
    """Whose samples new faces are."""
    if not results.health.prior_fitted:
        return "New faces are sampled from it."
    return f"New faces are sampled from another prior, {results.health.prior}."


def factors(results: AnalysisResults, shown: Pictures) -> Section | None:
    """Disentanglement, where the factors of the faces are known."""
    found = results.disentanglement
    if found is None:
        return None
    if isinstance(found, NotMeasured):
        return Section("Disentanglement", found.why_not)
    means = found.mig, found.sap, found.dci_completeness, found.dci_informativeness
    rows = [
        ["factor", "MIG", "SAP", "completeness", "informativeness", "latent"],
        ["all, on average", *map("{:.3f}".format, means), ""],
    ]
    for name, scores in found.per_factor.items():
        rows.append([plain_name(name), *_score_cells(scores)])
    text = (
        "These faces are synthetic with known factors, so disentanglement can be measured. MIG and SAP are "
        "the gap between the two most informative latents of a factor, completeness is high if few latents "
        "predict a factor, and informativeness if all together do: 1 is best, 0 worst. DCI disentanglement "
        "(each latent predicts one factor alone): "
        f"{found.dci_disentanglement:.3f}.\n\n" + " ".join(found.left_out)
    )
    return Section("Disentanglement", text, table=rows)


def _score_cells(scores: FactorScores) -> list[str]:
    figures = scores.mig, scores.sap, scores.completeness, scores.informativeness
    return [*map("{:.3f}".format, figures), f"z {scores.best_latent}"]


SECTIONS: Sequence[Callable[[AnalysisResults, Pictures], Section | None]] = (
    summary,
    faces,
    maps,
    walks,
    components,
    latents,
    correlations,
    posterior,
    factors,
)

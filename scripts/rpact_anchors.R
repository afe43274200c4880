# Writes vct/stats/anchors/rpact.yaml: what R (rpact, stats) gives for designs that `vct verify` recomputes.
# Run: Rscript scripts/rpact_anchors.R > vct/stats/anchors/rpact.yaml
# Debian: apt-get install --no-install-recommends r-base-core r-cran-rpact
suppressPackageStartupMessages(library(rpact))
setLogLevel("DISABLED")

RPACT <- paste("rpact", packageVersion("rpact"))
R_STATS <- paste("R stats", paste(R.version$major, R.version$minor, sep = "."))

numbers <- function(x) paste0("[", paste(signif(x, 12), collapse = ", "), "]")
put <- function(kind, fields, tolerance, source, checked = RPACT) {
  cat(
    sprintf("  - kind: %s\n", kind),
    sprintf("    %s: %s\n", names(fields), unlist(fields)),
    sprintf("    tolerance: %g\n", tolerance),
    sprintf("    source: \"%s\"\n", source),
    sprintf("    checked: %s\n", checked),
    sep = ""
  )
}

design_yaml <- function(d, efficacy, futility = "") {
  sprintf(
    "{kind: group_sequential, alpha: %g, power: %g, sides: %d, information: %s, efficacy: %s%s}",
    d$alpha, 1 - d$beta, d$sided, numbers(d$informationRates), efficacy, futility
  )
}

put_design <- function(efficacy, futility = "", ..., tolerance = 1e-5) {
  given <- list(...)
  call <- sprintf("getDesignGroupSequential(%s)", paste(names(given), gsub("\"", "'", sapply(given, deparse)), sep = " = ", collapse = ", "))
  d <- suppressWarnings(getDesignGroupSequential(...))
  x <- getDesignCharacteristics(d)
  fields <- list(
    design = design_yaml(d, efficacy, futility),
    efficacy = numbers(d$criticalValues),
    alpha_spent = numbers(d$alphaSpent),
    inflation = numbers(x$inflationFactor),
    rejections = numbers(x$rejectionProbabilities),
    expected_over_fixed = numbers(x$averageSampleNumber1),
    expected_over_fixed_null = numbers(x$averageSampleNumber0)
  )
  if (futility != "") {
    fields$futility <- numbers(d$futilityBounds)
    fields$futility_stops <- numbers(x$futilityProbabilities)
  }
  put("design", fields, tolerance, call)
}

cat("# Written by scripts/rpact_anchors.R; do not edit.\nanchors:\n")

unequal <- c(0.2, 0.45, 0.8, 1)
for (sided in 1:2) {
  alpha <- 0.025 * sided
  put_design("{kind: obrien_fleming}", kMax = 3, alpha = alpha, beta = 0.1, sided = sided, typeOfDesign = "OF")
  put_design("{kind: pocock}", kMax = 5, alpha = alpha, beta = 0.2, sided = sided, typeOfDesign = "P")
  put_design("{kind: wang_tsiatis, delta: 0.25}", informationRates = unequal, alpha = alpha, beta = 0.1, sided = sided, typeOfDesign = "WT", deltaWT = 0.25)
  put_design("{kind: lan_demets_obrien_fleming}", informationRates = unequal, alpha = alpha, beta = 0.1, sided = sided, typeOfDesign = "asOF")
  put_design("{kind: lan_demets_pocock}", kMax = 4, alpha = alpha, beta = 0.2, sided = sided, typeOfDesign = "asP")
  put_design("{kind: hwang_shih_decani, gamma: -4}", informationRates = unequal, alpha = alpha, beta = 0.1, sided = sided, typeOfDesign = "asHSD", gammaA = -4)
  put_design("{kind: kim_demets, rho: 2}", kMax = 3, alpha = alpha, beta = 0.2, sided = sided, typeOfDesign = "asKD", gammaA = 2)
}
put_design("{kind: lan_demets_obrien_fleming}", kMax = 10, alpha = 0.025, beta = 0.1, typeOfDesign = "asOF")
for (binding in c(TRUE, FALSE)) {
  word <- tolower(binding)
  stop_at <- function(rule) sprintf(", futility: {rule: %s, binding: %s}", rule, word)
  put_design("{kind: hwang_shih_decani, gamma: -4}", stop_at("{kind: hwang_shih_decani, gamma: -2}"), kMax = 3, alpha = 0.025, beta = 0.1, typeOfDesign = "asHSD", gammaA = -4, typeBetaSpending = "bsHSD", gammaB = -2, bindingFutility = binding)
  put_design("{kind: lan_demets_obrien_fleming}", stop_at("{kind: lan_demets_obrien_fleming}"), informationRates = c(0.3, 0.8, 1), alpha = 0.025, beta = 0.2, typeOfDesign = "asOF", typeBetaSpending = "bsOF", bindingFutility = binding)
  put_design("{kind: lan_demets_pocock}", stop_at("{kind: lan_demets_pocock}"), kMax = 4, alpha = 0.05, beta = 0.1, typeOfDesign = "asP", typeBetaSpending = "bsP", bindingFutility = binding)
  put_design("{kind: obrien_fleming}", stop_at("{kind: z_values, z: [0, 0.5]}"), kMax = 3, alpha = 0.025, beta = 0.1, typeOfDesign = "OF", futilityBounds = c(0, 0.5), bindingFutility = binding)
  put_design("{kind: lan_demets_obrien_fleming}", stop_at("{kind: z_values, z: [-0.5, 0.6]}"), informationRates = c(0.25, 0.7, 1), alpha = 0.025, beta = 0.1, typeOfDesign = "asOF", futilityBounds = c(-0.5, 0.6), bindingFutility = binding)
  # rpact calls its two-sided beta spending experimental; it may count rejections in the wrong direction differently
  put_design("{kind: lan_demets_obrien_fleming}", stop_at("{kind: lan_demets_obrien_fleming}"), informationRates = c(0.5, 1), alpha = 0.05, beta = 0.1, sided = 2, typeOfDesign = "asOF", typeBetaSpending = "bsOF", bindingFutility = binding, betaAdjustment = FALSE, tolerance = 2e-4)
  put_design("{kind: lan_demets_pocock}", stop_at("{kind: lan_demets_pocock}"), kMax = 3, alpha = 0.05, beta = 0.2, sided = 2, typeOfDesign = "asP", typeBetaSpending = "bsP", bindingFutility = binding, betaAdjustment = FALSE, tolerance = 2e-4)
}

# After stopping: two arms of n patients a stage, known standard deviation 1, so information is half the patients an arm.
put_stopped <- function(efficacy, futility = "", n, means, ...) {
  d <- getDesignGroupSequential(...)
  k <- length(n)
  patients <- cumsum(n)
  effect <- cumsum(n * means) / patients
  one <- rep(1, k)
  set <- getDataset(
    cumulativeSampleSizes1 = patients, cumulativeSampleSizes2 = patients,
    cumulativeMeans1 = effect, cumulativeMeans2 = rep(0, k), cumulativeStDevs1 = one, cumulativeStDevs2 = one
  )
  ci <- suppressWarnings(getFinalConfidenceInterval(d, set, stage = k, normalApproximation = TRUE))
  fields <- list(
    design = design_yaml(d, efficacy, futility), look = k, z = signif(effect[k] * sqrt(patients[k] / 2), 12),
    maximum = signif(patients[k] / 2 / d$informationRates[k], 12),
    p_value = getFinalPValue(getStageResults(d, set, stage = k, normalApproximation = TRUE))$pFinal,
    estimate = signif(ci$medianUnbiased, 10), interval = numbers(ci$finalConfidenceInterval)
  )
  put("stopped", fields, 5e-5, "getFinalPValue, getFinalConfidenceInterval")
}
put_stopped("{kind: lan_demets_obrien_fleming}", n = c(40, 40), means = c(0.45, 0.6), kMax = 3, alpha = 0.025, beta = 0.1, typeOfDesign = "asOF")
put_stopped("{kind: pocock}", n = c(40, 40, 40), means = c(0.3, 0.2, 0.35), kMax = 3, alpha = 0.025, beta = 0.1, typeOfDesign = "P")
put_stopped("{kind: lan_demets_pocock}", n = 30, means = 0.8, kMax = 2, alpha = 0.025, beta = 0.1, typeOfDesign = "asP")
put_stopped("{kind: obrien_fleming}", ", futility: {rule: {kind: z_values, z: [0, 0.5]}, binding: true}", n = c(40, 40, 40), means = c(0.3, 0.2, 0.35), kMax = 3, alpha = 0.025, beta = 0.1, typeOfDesign = "OF", futilityBounds = c(0, 0.5), bindingFutility = TRUE)

# Sample size and power.
put_size <- function(fun, given, expect, tolerance, source, checked = RPACT) {
  put("sample_size", list("function" = fun, given = given, expect = signif(expect, 12)), tolerance, source, checked)
}
one_look <- getDesignGroupSequential(kMax = 1, alpha = 0.025, beta = 0.1)
for (n in c(20, 64, 170)) {
  p <- getPowerMeans(one_look, alternative = 0.5, stDev = 1, maxNumberOfSubjects = 2 * n)$overallReject
  put_size("two_means_power", sprintf("{difference: 0.5, sd: 1, control: %d, test: %d, alpha: 0.025, sides: 1}", n, n), p, 1e-6, "getPowerMeans")
}
p <- getPowerMeans(one_look, thetaH0 = -0.3, alternative = 0.05, stDev = 1, maxNumberOfSubjects = 300, allocationRatioPlanned = 0.5)$overallReject
put_size("two_means_power", "{difference: 0.05, sd: 1, control: 200, test: 100, alpha: 0.025, sides: 1, margin: 0.3}", p, 1e-6, "getPowerMeans, non-inferiority")
put_size("paired_power", "{change: 0.4, sd_change: 1, n: 52, alpha: 0.025, sides: 1}", getPowerMeans(one_look, groups = 1, alternative = 0.4, stDev = 1, maxNumberOfSubjects = 52)$overallReject, 1e-6, "getPowerMeans, one group")
for (rates in list(c(0.2, 0.4), c(0.35, 0.5), c(0.6, 0.8))) {
  n <- getSampleSizeRates(pi2 = rates[1], pi1 = rates[2], alpha = 0.025, beta = 0.1)$nFixed
  put_size("two_proportions_control", sprintf("{control_rate: %g, test_rate: %g, alpha: 0.025, power: 0.9, sides: 1}", rates[1], rates[2]), ceiling(n / 2), 0, "getSampleSizeRates")
}
fisher_power <- function(p1, p2, n1, n2, alternative, alpha) {
  total <- 0
  for (x1 in 0:n1) for (x2 in 0:n2) {
    table <- matrix(c(x2, n2 - x2, x1, n1 - x1), 2)
    if (fisher.test(table, alternative = alternative)$p.value <= alpha) total <- total + dbinom(x1, n1, p1) * dbinom(x2, n2, p2)
  }
  total
}
put_size("fisher_power", "{control_rate: 0.2, test_rate: 0.5, control: 30, test: 24, alpha: 0.05, sides: 2}", fisher_power(0.2, 0.5, 30, 24, "two.sided", 0.05), 1e-8, "fisher.test over every table", R_STATS)
put_size("fisher_power", "{control_rate: 0.5, test_rate: 0.2, control: 22, test: 30, alpha: 0.025, sides: 1}", fisher_power(0.5, 0.2, 22, 30, "less", 0.025), 1e-8, "fisher.test over every table", R_STATS)
put_size("two_means_control", "{difference: 0.5, sd: 1, alpha: 0.05, power: 0.8, sides: 2}", ceiling(power.t.test(delta = 0.5, power = 0.8)$n), 0, "power.t.test", R_STATS)
put_size("paired_means_control", "{change: 0.5, sd: 1, correlation: 0.5, alpha: 0.05, power: 0.8, sides: 2}", ceiling(power.t.test(delta = 0.5, power = 0.8, type = "paired")$n), 0, "power.t.test", R_STATS)

for (kind in c("Schoenfeld", "Freedman")) {
  x <- getSampleSizeSurvival(hazardRatio = 0.6, piecewiseSurvivalTime = c(0, 6), lambda2 = c(0.05, 0.02), accrualTime = c(0, 24), followUpTime = 12, dropoutRate1 = 0.05, dropoutRate2 = 0.05, dropoutTime = 12, alpha = 0.025, beta = 0.1, allocationRatioPlanned = 2, typeOfComputation = kind)
  given <- sprintf("{rates: [0.05, 0.02], breaks: [6], hazard_ratio: 0.6, accrual: 24, follow_up: 12, dropout: %.12f, ratio: 2, alpha: 0.025, power: 0.9, sides: 1, method: %s}", -log(0.95) / 12, tolower(kind))
  put_size("trial_of_survival_patients", given, x$nFixed, 1e-3, "getSampleSizeSurvival")
  put_size("trial_of_survival_events", given, x$eventsFixed, 1e-4, "getSampleSizeSurvival")
}
x <- getEventProbabilities(time = c(6, 12, 24, 40), accrualTime = c(0, 18), lambda2 = 0.06, hazardRatio = 0.7, dropoutRate1 = 0.1, dropoutRate2 = 0.1, dropoutTime = 12, maxNumberOfSubjects = 100)
for (i in 1:4) {
  given <- sprintf("{rates: [0.06], breaks: [], hazard_ratio: 0.7, accrual: 18, follow_up: 22, dropout: %.12f, at: %g}", -log(0.9) / 12, x$time[i])
  put_size("share_with_event", given, x$overallEventProbabilities[i], 1e-6, "getEventProbabilities")
}

p <- c(a = 0.01, b = 0.04, c = 0.03, d = 0.005, e = 0.2)
yaml_p <- paste0("{", paste(names(p), p, sep = ": ", collapse = ", "), "}")
for (method in c("bonferroni", "holm", "hochberg")) {
  fields <- list(procedure = sprintf("{kind: %s}", method), p = yaml_p, adjusted = numbers(p.adjust(p, method)))
  put("multiplicity", fields, 1e-12, "p.adjust", R_STATS)
}

"""Numbers that make bodies and their uptake differ, each with its source.

hedyPET: fits (ordinary least squares) on 80 healthy adults of the public hedyPET v1.0 readouts (DEPICT-RH/hedyPET,
commit 056fd67; low-dose CT, TotalSegmentator masks, 50 to 70 min after injection, Biograph Vision Quadra). ICRP 89:
reference masses of ICRP Publication 89 (2002). Rows marked "assumed" have no source that was read.
"""

from __future__ import annotations

Rows = dict[str, tuple[float, ...]]

# ln(volume / ml) = b0 + male * b1 + (age - 50) / 10 * b2 + ln(weight / 75 kg) * b3 + ln(height / 1.72 m) * b4; then the
# residual SD. hedyPET, n = 80 (prostate 40).
VOLUME: Rows = {
    "adrenals": (1.34375, 0.46325, 0.13499, 1.66896, -1.43867, 0.4086),
    "aorta": (5.34068, 0.15269, 0.12744, 0.01277, 1.80399, 0.1416),
    "autochthon_muscle": (6.91169, 0.17723, -0.03363, 0.42096, 0.97817, 0.1005),
    "brain": (7.1637, 0.10842, -0.00183, -0.00061, 0.28129, 0.073),
    "colon": (6.72598, -0.13906, 0.0268, -0.01707, 2.77827, 0.3197),
    "duodenum": (3.86435, 0.14158, 0.04797, 0.4609, -0.15077, 0.2241),
    "gallbladder": (2.96549, -0.01475, 0.04651, 0.89226, 1.54994, 0.5946),
    "heart": (6.36622, 0.13372, 0.01364, 0.19692, 1.57087, 0.1301),
    "iliopsoas_muscle": (6.33567, 0.29079, -0.03388, 0.4099, 1.03079, 0.125),
    "inferior_vena_cava": (4.08813, 0.13661, 0.00312, 0.37452, 1.29448, 0.2898),
    "kidneys": (5.58257, 0.11158, 0.00899, 0.60154, -0.1269, 0.1474),
    "liver": (7.30285, 0.05069, -0.00896, 0.41611, 0.62219, 0.1339),
    "lungs": (7.89417, 0.05058, 0.03125, -0.24493, 3.38575, 0.1524),
    "pancreas": (4.28832, 0.07076, -0.04803, 0.51634, 0.80972, 0.266),
    "prostate": (3.27705, 0.0, 0.07557, 0.88155, 0.40465, 0.3057),
    "small_bowel": (6.61049, 0.06502, 0.0483, 0.78888, 0.82458, 0.1942),
    "spleen": (5.17644, 0.21097, -0.03978, 1.06274, 0.17805, 0.3155),
    # medians 385 (F) and 411 ml (M), CV 0.43 in 766 AutoPET studies (doi 10.7937/gkr0-xv29), spread narrowed (assumed);
    # hedyPET's is 195 ml
    "stomach": (5.953, 0.065, 0.0, 0.0, 0.0, 0.35),
    "thyroid": (2.36581, 0.15622, 0.01026, 0.27947, 1.54751, 0.2379),
    "trachea": (3.24655, 0.32522, 0.02854, -0.32218, 2.13401, 0.1757),
    "urinary_bladder": (4.75645, -0.04474, 0.03655, 0.77056, 1.51529, 0.4952),
    "visceral_fat": (7.70663, 0.2098, 0.12502, 2.48868, -2.44699, 0.3906),
    # ICRP 89: uterus 80 g (scaling with age and height, and spread, assumed)
    "uterus": (4.33, 0.0, -0.06, 0.0, 1.0, 0.25),
    # ICRP 89: 500 g both for a woman of 60 kg and 163 cm (growth with weight and spread assumed)
    "breast": (6.52, 0.0, 0.02, 1.9, -1.9, 0.3),
}

# ln(SUVmean) = b0 + male * b1 + (age - 50) / 10 * b2 + (BMI - 25) / 5 * b3, residual SD. hedyPET, n = 80.
UPTAKE: Rows = {
    "adrenals": (0.60331, -0.09804, -0.00189, 0.07098, 0.1411),
    "aorta": (0.68524, -0.02167, 0.02375, 0.10074, 0.0874),
    "autochthon_muscle": (-0.39239, -0.0357, 0.02975, 0.04696, 0.1173),
    "brain": (1.9737, -0.08408, -0.04673, 0.09785, 0.1435),
    "colon": (0.25106, -0.03109, -0.03114, 0.07539, 0.3544),
    "duodenum": (0.52598, -0.012, 0.01947, 0.07102, 0.157),
    "esophagus": (0.60938, -0.06623, 0.01714, 0.09643, 0.117),
    "femurs": (-0.44264, -0.24434, -0.0161, 0.16674, 0.1878),
    "gallbladder": (0.07815, -0.03437, 0.04051, 0.06363, 0.3462),
    "heart": (0.95511, 0.02738, -0.05294, 0.11593, 0.3315),
    "hips": (0.13829, -0.15808, -0.02229, 0.11884, 0.1476),
    "humeri": (-0.62651, -0.16769, 0.00518, 0.19399, 0.1992),
    "iliopsoas_muscle": (-0.28073, -0.09874, 0.00682, 0.1138, 0.1199),
    "inferior_vena_cava": (0.64503, -0.03618, 0.02186, 0.10279, 0.0851),
    "kidneys": (1.11005, -0.04669, -0.01396, 0.06961, 0.1304),
    "liver": (0.83031, -0.03639, 0.01989, 0.11126, 0.1066),
    "lungs": (-0.34257, -0.10952, -0.00075, 0.19378, 0.17),
    "pancreas": (0.4753, -0.08046, -0.01949, 0.04116, 0.1536),
    "portal_splenic_vein": (0.60462, -0.07827, -0.00249, 0.06789, 0.115),
    "ribs": (0.01325, -0.0736, -0.0025, 0.07811, 0.1044),
    "sacrum": (0.12099, -0.06478, -0.04094, 0.11321, 0.1812),
    "scapulae": (-0.21419, -0.08082, -0.0021, 0.10235, 0.112),
    "skeletal_muscle_all": (-0.33762, -0.04113, 0.01625, 0.06404, 0.1039),
    "skull": (0.5029, -0.08177, -0.0512, 0.09394, 0.1603),
    "small_bowel": (1.05454, -0.39137, -0.01647, -0.11842, 0.3885),
    "spinal_cord": (0.19173, -0.05019, -0.01096, 0.11368, 0.1204),
    "spleen": (0.60052, -0.0559, 0.00551, 0.08453, 0.1057),
    "sternum": (0.06527, -0.13752, -0.04419, 0.0907, 0.2151),
    "stomach": (0.39402, 0.01581, 0.0373, 0.03627, 0.1955),
    "subcutaneous_fat": (-0.99965, 0.26789, 0.0126, -0.03353, 0.1446),
    "superior_vena_cava": (0.53622, -0.00239, 0.01744, 0.08817, 0.0888),
    "thyroid": (0.2582, -0.07141, 0.02379, 0.08858, 0.1625),
    "trachea": (-0.21873, -0.22905, -0.00278, 0.19029, 0.1714),
    "urinary_bladder": (3.08551, 0.21547, -0.05089, 0.05912, 0.4919),
    "vertebrae_cervical": (0.26355, -0.07476, 0.00438, 0.07828, 0.1013),
    "vertebrae_lumbar": (0.3536, -0.05357, -0.01541, 0.11931, 0.1182),
    "vertebrae_thoracic": (0.34383, -0.06081, -0.01215, 0.10345, 0.1205),
    # hedyPET's 1.49 is a rim of hot neighbours; visceral fat takes up more than subcutaneous fat
    # (doi 10.1002/oby.20957): level and slope assumed, spread from hedyPET
    "visceral_fat": (-0.65, 0.0, 0.0, -0.03, 0.2111),
    # benign prostate 2.86 +- 0.68 (PMC5658630); hedyPET's 5.0 is spill-over from urine
    "prostate": (1.02, 0.0, 0.0, 0.0, 0.23),
    # endometrium 2.6 +- 1.1 (secretory 2.5) before and 1.7 +- 0.5 after menopause (Lerman 2004, J Nucl Med 45:266);
    # before: b0; after: see `physiology`
    "uterus": (0.88, 0.0, 0.0, 0.0, 0.35),
    "breast": (-0.45, 0.0, -0.05, 0.0, 0.25),  # assumed
    "skin": (-0.6, 0.0, 0.0, 0.03, 0.15),  # assumed
    "cartilage": (-0.8, 0.0, 0.0, 0.05, 0.15),  # assumed
    "renal_pelvis": (2.0, 0.0, 0.0, 0.0, 0.5),  # assumed
}
POSTMENOPAUSAL_UTERUS = 0.53  # ln 1.7, Lerman 2004
MENOPAUSE_YEARS = 51.0  # assumed

# Residual correlations between organs, hedyPET, in the order of CORRELATED; lower triangle.
CORRELATED = (
    "liver", "spleen", "aorta", "kidneys", "heart", "brain", "lungs", "pancreas", "stomach", "small_bowel", "colon",
    "autochthon_muscle", "skeletal_muscle_all", "vertebrae_lumbar", "subcutaneous_fat", "visceral_fat", "thyroid",
    "urinary_bladder",
)  # fmt: skip
UPTAKE_CORRELATION = (  # lower triangle
    (0.645,),
    (0.735, 0.68),
    (0.452, 0.491, 0.532),
    (0.068, 0.055, 0.059, 0.218),
    (0.534, 0.471, 0.609, 0.357, -0.038),
    (0.255, 0.396, 0.443, 0.382, 0.186, 0.282),
    (0.338, 0.366, 0.289, 0.426, 0.074, -0.025, 0.12),
    (0.361, 0.136, 0.149, 0.127, 0.216, 0.113, -0.068, 0.376),
    (0.191, 0.276, 0.225, 0.03, -0.195, 0.105, -0.063, 0.288, 0.314),
    (0.082, 0.002, 0.134, -0.116, 0.014, -0.085, 0.16, 0.054, 0.118, -0.044),
    (0.432, 0.522, 0.538, 0.462, 0.098, 0.281, 0.338, 0.205, 0.078, 0.012, 0.131),
    (0.385, 0.467, 0.539, 0.471, 0.202, 0.204, 0.306, 0.219, 0.143, 0.116, 0.189, 0.856),
    (0.436, 0.53, 0.583, 0.344, -0.046, 0.293, 0.349, 0.372, 0.095, 0.151, 0.077, 0.569, 0.488),
    (0.07, 0.163, 0.125, 0.089, -0.05, -0.156, -0.164, 0.355, 0.138, 0.361, 0.051, 0.039, 0.259, 0.122),
    (0.24, 0.288, 0.321, 0.119, -0.093, 0.016, 0.232, 0.362, 0.214, 0.406, 0.531, 0.235, 0.338, 0.228, 0.29),
    (0.121, 0.174, 0.134, 0.308, 0.375, -0.029, 0.359, 0.244, 0.127, -0.185, 0.242, 0.213, 0.22, 0.078, 0.026, 0.045),
    (
        0.364,
        0.271,
        0.195,
        0.402,
        0.014,
        0.233,
        0.086,
        0.079,
        -0.017,
        -0.039,
        -0.186,
        0.152,
        0.021,
        0.081,
        -0.161,
        -0.231,
        0.172,
    ),
)
VOLUME_CORRELATION = (  # lower triangle
    (0.033,),
    (0.071, 0.1),
    (0.212, -0.036, 0.137),
    (0.352, 0.087, 0.303, -0.093),
    (0.122, 0.072, 0.072, 0.06, -0.035),
    (0.005, -0.188, 0.286, -0.168, 0.205, 0.053),
    (0.287, 0.239, -0.105, 0.071, 0.105, 0.025, -0.15),
    (0.255, 0.099, 0.004, 0.186, 0.127, 0.105, -0.087, 0.153),
    (0.144, 0.074, 0.137, 0.276, 0.027, -0.009, -0.317, 0.193, 0.295),
    (0.123, 0.009, -0.087, -0.149, 0.22, 0.171, 0.155, 0.018, 0.188, -0.115),
    (0.207, 0.055, 0.239, 0.213, 0.092, -0.069, -0.031, 0.237, 0.204, 0.075, 0.005),
    (0.272, -0.124, 0.119, 0.144, 0.271, 0.008, 0.022, 0.228, 0.149, -0.072, 0.007, 0.487),
    (0.066, -0.034, 0.253, 0.082, 0.188, -0.12, 0.395, 0.004, 0.014, -0.048, 0.185, 0.156, 0.013),
    (-0.377, 0.009, -0.224, -0.0, -0.412, -0.035, -0.435, -0.112, -0.059, 0.201, -0.138, -0.228, -0.546, -0.173),
    (-0.128, 0.189, -0.094, 0.298, -0.391, -0.16, -0.479, 0.052, -0.007, 0.432, -0.311, 0.116, -0.286, -0.132, 0.514),
    (-0.091, -0.226, 0.128, 0.333, -0.09, 0.098, 0.143, 0.046, 0.054, 0.16, 0.06, 0.309, 0.072, 0.095, 0.071, 0.165),
    (
        0.135,
        0.061,
        0.029,
        0.092,
        0.138,
        0.147,
        0.116,
        0.002,
        -0.008,
        0.013,
        0.213,
        0.058,
        0.013,
        -0.068,
        -0.176,
        -0.215,
        0.179,
    ),
)

# Organs outside the matrices follow a relative inside them with correlation FOLLOWS_R (assumed).
FOLLOWS = {
    "inferior_vena_cava": "aorta", "superior_vena_cava": "aorta", "portal_splenic_vein": "aorta",
    "esophagus": "aorta", "trachea": "lungs", "spinal_cord": "brain", "duodenum": "small_bowel", "adrenals": "kidneys",
    "vertebrae_thoracic": "vertebrae_lumbar", "vertebrae_cervical": "vertebrae_lumbar", "sacrum": "vertebrae_lumbar",
    "hips": "vertebrae_lumbar", "femurs": "vertebrae_lumbar", "humeri": "vertebrae_lumbar", "ribs": "vertebrae_lumbar",
    "scapulae": "vertebrae_lumbar", "sternum": "vertebrae_lumbar", "skull": "vertebrae_lumbar",
    "iliopsoas_muscle": "skeletal_muscle_all", "skin": "skeletal_muscle_all", "breast": "subcutaneous_fat",
    "cartilage": "skeletal_muscle_all", "gallbladder": "liver", "prostate": "aorta", "uterus": "aorta",
}  # fmt: skip
FOLLOWS_R = 0.7
BLADDER_R = -0.671  # hedyPET: residual uptake against residual volume of the bladder

# Day-to-day variation of ln SUV in one person. Liver 6.7 % 13 days apart (hepatic SUVmean, n = 6); 10.8 to 13.4 % in
# liver and mediastinum 271 days apart (Paquet 2004, J Nucl Med); below 20 % in blood, marrow, muscle and lung (Nucl Med
# Commun, May 2022, 549-559). A common and an own part that make up the liver's 6.7 %, and the larger values of gut,
# heart and urine, are assumed. What varies from day to day is taken out of the spread between patients, so that single
# scans have hedyPET's spread and correlations.
DAY_COMMON_SD = 0.06
DAY_OWN_SD = 0.03
DAY_OWN_SDS = {
    "heart": 0.13, "myocardium": 0.3, "colon": 0.18, "small_bowel": 0.18, "duodenum": 0.1, "stomach": 0.1,
    "uterus": 0.2, "renal_pelvis": 0.4, "gallbladder": 0.15,
}  # fmt: skip

# Attenuation: mean, SD between patients [HU]; unenhanced.
HOUNSFIELD: Rows = {
    "liver": (58.3, 8.9),  # n = 64, Int J Legal Med 2019;133:1861
    "spleen": (50.0, 5.0),  # 45 to 55, textbook range
    "kidney": (30.0, 5.0),  # 20 to 40, textbook range
    "blood": (45.0, 3.0),  # 45 to 65, textbook range; lower end, anaemia is common in patients (assumed)
    "lung": (-820.0, 45.0),  # case medians of NV-Generate-CT's training data
    "fat": (-100.0, 5.0),  # -100 to -50, textbook range; lower end (assumed)
    "muscle": (49.0, 4.0),  # lean subjects' mid-thigh, Goodpaster 2000, J Appl Physiol 89:104; slope in `physiology`
    "brain": (33.0, 2.0),  # white 20 to 30, grey 37 to 45, textbook range
    "pancreas": (38.0, 6.0),  # assumed, unenhanced; 46.5 over all phases in NV-Generate-CT
    "bile": (8.0, 4.0),  # assumed
    "urine": (5.0, 4.0),  # assumed
    "gut": (35.0, 4.0),  # assumed
    "soft": (40.0, 3.0),  # assumed
    "thyroid": (95.0, 12.0),  # assumed, iodine
    "myocardium": (45.0, 3.0),  # assumed
    "cartilage": (95.0, 15.0),  # assumed
    "gland": (10.0, 15.0),  # assumed, breast at 30 years
    "skin": (20.0, 10.0),  # assumed
    "cord": (35.0, 3.0),  # assumed
    "air": (-1000.0, 0.0),
    "bone": (200.0, 0.0),  # where a bone has no profile of its own
}
MUSCLE_HU_PER_BMI = -0.7  # 49.2 in lean, 39.3 in obese subjects (Goodpaster 2000), over about 14 kg/m2
GLAND_HU_PER_YEAR = 1.6  # assumed: breast tissue turns to fat
TRABECULAR_HU = (
    226.0,
    2.5,
    40.0,
)  # at 25 years, fall a year, SD: L1, n = 20,374, Jang 2019, doi 10.1148/radiol.2019181648

# Mass density [g/ml]: adipose tissue, muscle, skin, bone with marrow and soft organs as in ICRP 89 and ICRU 46.
DENSITY = {"fat": 0.95, "muscle": 1.05, "skin": 1.09, "bone": 1.3, "soft": 1.05, "lung": 0.26, "air": 0.0}
SKIN_KG_M2 = {"F": 1.39, "M": 1.74}  # ICRP 89: 2.3 and 3.3 kg on 1.66 and 1.90 m2

//! Health data: who treats, who is treated, for what, and records that are health data as a whole.
//!
//! A National Provider Identifier is ten digits with Luhn's check over `80840` and itself, which times since 1970 pass as
//! well; a Medicare Beneficiary Identifier has a form of its own; a diagnosis (ICD-10) is a letter and digits, as codes of
//! all kinds are. So each needs a field name, or the system of FHIR that says what it is.

use super::{DataClass, Found};
use crate::id::Seed;
use crate::privacy::checks;

/// Bytes before and behind a value in which its system may stand.
const NEAR: usize = 160;

/// Types of FHIR resources that tell of a patient. Lists of codes, plans of insurers and the like do not.
const RESOURCES: [&str; 26] = [
    "AllergyIntolerance",
    "Appointment",
    "CarePlan",
    "CareTeam",
    "Claim",
    "ClinicalImpression",
    "Condition",
    "Coverage",
    "DiagnosticReport",
    "Encounter",
    "EpisodeOfCare",
    "ExplanationOfBenefit",
    "FamilyMemberHistory",
    "Goal",
    "ImagingStudy",
    "Immunization",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "MedicationStatement",
    "Observation",
    "Patient",
    "Procedure",
    "RelatedPerson",
    "RiskAssessment",
    "ServiceRequest",
];

/// Whether this word stands near the value at `at`.
pub(super) fn is_near(body: &[u8], at: usize, word: &[u8]) -> bool {
    let near = &body[at.saturating_sub(NEAR)..body.len().min(at + NEAR)];
    memchr::memmem::find(near, word).is_some()
}

/// A national provider identifier.
pub(super) fn npi(value: &[u8], seed: Seed, found: &mut Found) {
    if checks::npi(value) {
        found.add(DataClass::Npi, value, true, seed);
    }
}

/// A Medicare beneficiary identifier, with or without dashes.
pub(super) fn mbi(value: &[u8], seed: Seed, found: &mut Found) {
    let mut plain = [0u8; 11];
    let mut count = 0;
    for byte in value.iter().filter(|b| **b != b'-') {
        let Some(place) = plain.get_mut(count) else {
            return;
        };
        *place = byte.to_ascii_uppercase();
        count += 1;
    }
    let letter = |b: u8| b.is_ascii_uppercase() && !b"SLOIBZ".contains(&b);
    let fits = plain.iter().zip(b"CAMNAMNAANN").all(|(byte, kind)| match kind {
        b'C' => matches!(byte, b'1'..=b'9'),
        b'A' => letter(*byte),
        b'M' => letter(*byte) || byte.is_ascii_digit(),
        _ => byte.is_ascii_digit(),
    });
    if count == 11 && fits {
        found.add(DataClass::Mbi, &plain, true, seed);
    }
}

/// A code of the International Classification of Diseases, tenth revision.
pub(super) fn diagnosis(value: &[u8], seed: Seed, found: &mut Found) {
    if is_diagnosis(value) {
        found.add(DataClass::Diagnosis, value, true, seed);
    }
}

pub(super) fn is_diagnosis(value: &[u8]) -> bool {
    let [letter, digit, third, rest @ ..] = value else {
        return false;
    };
    let rest = rest.strip_prefix(b".").unwrap_or(rest);
    letter.is_ascii_uppercase()
        && digit.is_ascii_digit()
        && (third.is_ascii_digit() || matches!(third, b'A' | b'B'))
        && rest.len() <= 4
        && !value.ends_with(b".")
        && rest.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

/// The type of a FHIR resource.
pub(super) fn resource(value: &[u8], seed: Seed, found: &mut Found) {
    if RESOURCES.iter().any(|name| name.as_bytes() == value) {
        found.add(DataClass::HealthRecord, value, true, seed);
    }
}

/// A body that is a message of HL7 version 2, or whose media type says that it is health data.
pub(super) fn record(body: &[u8], media: Option<&str>, seed: Seed, found: &mut Found) {
    // Messages sent over a stream begin with a vertical tabulator.
    let start = body.strip_prefix(b"\x0b").unwrap_or(body);
    if start.starts_with(b"MSH|^~\\&") {
        found.add(DataClass::HealthRecord, b"HL7v2", true, seed);
    }
    let media = media.and_then(|m| m.split(';').next()).unwrap_or("").trim();
    for known in [
        "application/fhir+json",
        "application/fhir+xml",
        "x-application/hl7-v2+er7",
    ] {
        if media.eq_ignore_ascii_case(known) && !found.has(DataClass::HealthRecord) {
            found.add(DataClass::HealthRecord, known.as_bytes(), true, seed);
        }
    }
}

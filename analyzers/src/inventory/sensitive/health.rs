//! Health data: who treats, who is treated, for what, and records that are health data as a whole.
//!
//! A National Provider Identifier is ten digits with Luhn's check over `80840` and itself, which times since 1970 pass as
//! well; a Medicare Beneficiary Identifier has a form of its own; a diagnosis (ICD-10) is a letter and digits, as codes of
//! all kinds are; what a hospital numbers its records by has no form at all. So each needs a field name, or the system of
//! FHIR that says what it is.

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

/// A code that no name says more of: its system, near it, does.
pub(super) fn code(body: &[u8], value: &[u8], at: usize, seed: Seed, found: &mut Found) {
    if is_diagnosis(value) {
        if is_near(body, at, b"icd") {
            found.add(DataClass::Diagnosis, value, true, seed);
        }
    } else if (checks::loinc(value) && is_near(body, at, b"loinc"))
        || (checks::ndc(value) && is_near(body, at, b"sid/ndc"))
    {
        found.add(DataClass::ClinicalCode, value, true, seed);
    }
}

/// The value of an identifier of FHIR, whose system or type, near it, says what it is.
pub(super) fn identifier(body: &[u8], value: &[u8], at: usize, seed: Seed, found: &mut Found) {
    if checks::npi(value) && is_near(body, at, b"us-npi") {
        found.add(DataClass::Npi, value, true, seed);
    } else if is_near(body, at, b"\"MR\"") {
        record_number(value, seed, found);
    }
}

/// Whether this word stands near the value at `at`.
fn is_near(body: &[u8], at: usize, word: &[u8]) -> bool {
    let near = &body[at.saturating_sub(NEAR)..body.len().min(at + NEAR)];
    memchr::memmem::find(near, word).is_some()
}

/// A national provider identifier.
pub(super) fn npi(value: &[u8], seed: Seed, found: &mut Found) {
    if checks::npi(value) {
        found.add(DataClass::Npi, value, true, seed);
    }
}

/// A Medicare beneficiary identifier, with or without dashes; gives back whether it is one.
pub(super) fn mbi(value: &[u8], seed: Seed, found: &mut Found) -> bool {
    let mut plain = [0u8; 11];
    let mut count = 0;
    for byte in value.iter().filter(|b| **b != b'-') {
        let Some(place) = plain.get_mut(count) else {
            return false;
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
    let fits = count == 11 && fits;
    if fits {
        found.add(DataClass::Mbi, &plain, true, seed);
    }
    fits
}

/// A number of the Drug Enforcement Administration.
pub(super) fn dea(value: &[u8], seed: Seed, found: &mut Found) {
    if checks::dea(value) {
        found.add(DataClass::Dea, value, true, seed);
    }
}

/// A number under which a hospital keeps its record of a patient. It has no form but that of a number: what else a
/// field of patients holds (a UUID, a place in a list) is none.
pub(super) fn record_number(value: &[u8], seed: Seed, found: &mut Found) {
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = value.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let same = value.iter().all(|b| *b == value[0]);
    if (5..=15).contains(&value.len())
        && (5..=12).contains(&digits)
        && letters <= 4
        && value.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
        && !same
    {
        found.add(DataClass::Mrn, value, true, seed);
    }
}

/// A code of a laboratory test or a drug.
pub(super) fn clinical(value: &[u8], seed: Seed, found: &mut Found) {
    if checks::loinc(value) || checks::ndc(value) {
        found.add(DataClass::ClinicalCode, value, true, seed);
    }
}

/// A code of the International Classification of Diseases, tenth revision.
pub(super) fn diagnosis(value: &[u8], seed: Seed, found: &mut Found) {
    if is_diagnosis(value) {
        found.add(DataClass::Diagnosis, value, true, seed);
    }
}

fn is_diagnosis(value: &[u8]) -> bool {
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

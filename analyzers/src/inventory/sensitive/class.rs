//! The classes of data, and what is told of each beside its name.

use serde::{Deserialize, Serialize};

macro_rules! classes {
    ($( $(#[doc = $doc:literal])+ $class:ident = $name:literal, $title:literal; )*) => {
        /// Kinds of data, in the order of their names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum DataClass { $( $(#[doc = $doc])+ $class, )* }

        impl DataClass {
            /// Every class.
            pub const ALL: &[Self] = &[ $( Self::$class, )* ];

            /// The name used in records.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $( Self::$class => $name, )* }
            }

            /// The name for people.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $( Self::$class => $title, )* }
            }
        }
    };
}

classes! {
    /// Routing numbers of United States banks (ABA).
    AbaRouting = "aba_routing", "bank routing numbers";
    /// Streets and house numbers.
    Address = "address", "postal addresses";
    /// Australian Medicare card numbers.
    AuMedicare = "au_medicare", "Australian Medicare numbers";
    /// Australian tax file numbers.
    AuTfn = "au_tfn", "Australian tax file numbers";
    /// Dates of birth.
    BirthDate = "birth_date", "dates of birth";
    /// Brazilian taxpayer numbers.
    BrCpf = "br_cpf", "Brazilian taxpayer numbers (CPF)";
    /// Keys that providers mean to be shown in pages, as a rule with limits on who may use them from where.
    BrowserKey = "browser_key", "Google API keys";
    /// Canadian social insurance numbers.
    CaSin = "ca_sin", "Canadian social insurance numbers";
    /// Payment card numbers.
    Card = "card", "payment card numbers";
    /// Codes of laboratory tests (LOINC) and of drugs (NDC).
    ClinicalCode = "clinical_code", "codes of tests and drugs";
    /// Verification codes beside payment card numbers.
    Cvv = "cvv", "card verification codes";
    /// German tax identification numbers.
    DeTaxId = "de_tax_id", "German tax identification numbers";
    /// Drug Enforcement Administration numbers of those who prescribe.
    Dea = "dea", "DEA numbers of prescribers";
    /// Codes of diagnoses (ICD-10).
    Diagnosis = "diagnosis", "diagnosis codes";
    /// E-mail addresses.
    Email = "email", "e-mail addresses";
    /// Spanish identity numbers of citizens and foreigners.
    EsNif = "es_nif", "Spanish identity numbers (NIF, NIE)";
    /// French social security numbers.
    FrNir = "fr_nir", "French social security numbers (NIR)";
    /// British National Health Service numbers.
    GbNhs = "gb_nhs", "NHS numbers";
    /// British national insurance numbers.
    GbNino = "gb_nino", "British national insurance numbers";
    /// Health records by their format (FHIR, HL7).
    HealthRecord = "health_record", "health records";
    /// Bank account numbers.
    Iban = "iban", "bank account numbers";
    /// Indian identity numbers.
    InAadhaar = "in_aadhaar", "Aadhaar numbers";
    /// Indian permanent account numbers, of taxpayers.
    InPan = "in_pan", "Indian taxpayer numbers (PAN)";
    /// Addresses of machines in the Internet, which stand for those who use them.
    IpAddress = "ip_address", "IP addresses";
    /// Italian fiscal codes.
    ItFiscalCode = "it_fiscal_code", "Italian fiscal codes";
    /// Individual taxpayer identification numbers of the United States.
    Itin = "itin", "individual taxpayer numbers (ITIN)";
    /// JSON web tokens.
    Jwt = "jwt", "JSON web tokens";
    /// Korean resident registration numbers.
    KrRrn = "kr_rrn", "Korean resident registration numbers";
    /// Medicare beneficiary identifiers.
    Mbi = "mbi", "Medicare beneficiary identifiers";
    /// Medical record numbers.
    Mrn = "mrn", "medical record numbers";
    /// National provider identifiers of those who treat.
    Npi = "npi", "national provider identifiers";
    /// Numbers of passports.
    Passport = "passport", "passport numbers";
    /// First and last names of people.
    PersonName = "person_name", "names of people";
    /// Telephone numbers.
    Phone = "phone", "telephone numbers";
    /// Polish identity numbers.
    PlPesel = "pl_pesel", "Polish identity numbers (PESEL)";
    /// Private keys.
    PrivateKey = "private_key", "private keys";
    /// Keys whose form says which provider they are of.
    ProviderKey = "provider_key", "keys of known providers";
    /// Swedish identity numbers.
    SePersonnummer = "se_personnummer", "Swedish identity numbers";
    /// Secrets by the name of their field.
    Secret = "secret", "secrets";
    /// Singaporean identity numbers of citizens and foreigners.
    SgFin = "sg_fin", "Singaporean identity numbers (NRIC, FIN)";
    /// Social security numbers.
    Ssn = "ssn", "social security numbers";
    /// What is on the magnetic stripe of a payment card.
    Track = "track", "magnetic stripe data of cards";
}

impl DataClass {
    /// How to reach somebody, which many endpoints give out by purpose, and what is public of somebody or says nothing
    /// by itself; it weighs by how much of it there is.
    pub(crate) fn is_contact(self) -> bool {
        matches!(
            self,
            Self::AbaRouting
                | Self::Address
                | Self::BirthDate
                | Self::ClinicalCode
                | Self::Email
                | Self::IpAddress
                | Self::Npi
                | Self::PersonName
                | Self::Phone
        )
    }

    /// Opens something to whoever holds it: one is enough.
    pub(crate) fn is_secret(self) -> bool {
        matches!(
            self,
            Self::BrowserKey | Self::Jwt | Self::PrivateKey | Self::ProviderKey | Self::Secret | Self::Track
        )
    }

    /// A number that a state gives to a person.
    pub(crate) fn is_state_number(self) -> bool {
        matches!(
            self,
            Self::AuMedicare
                | Self::AuTfn
                | Self::BrCpf
                | Self::CaSin
                | Self::DeTaxId
                | Self::EsNif
                | Self::FrNir
                | Self::GbNhs
                | Self::GbNino
                | Self::InAadhaar
                | Self::InPan
                | Self::ItFiscalCode
                | Self::Itin
                | Self::KrRrn
                | Self::Mbi
                | Self::Passport
                | Self::PlPesel
                | Self::SePersonnummer
                | Self::SgFin
                | Self::Ssn
        )
    }

    /// What health care speaks of.
    pub(crate) fn is_health(self) -> bool {
        matches!(self, Self::ClinicalCode | Self::Diagnosis | Self::HealthRecord)
    }

    /// Says which person something is about.
    pub(crate) fn names_person(self) -> bool {
        self.is_state_number()
            || matches!(
                self,
                Self::Address | Self::BirthDate | Self::Email | Self::Mrn | Self::PersonName | Self::Phone
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_are_stored_and_in_order() {
        let names: Vec<_> = DataClass::ALL.iter().map(|c| c.name()).collect();
        assert!(names.is_sorted());
        for class in DataClass::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.name());
        }
    }
}

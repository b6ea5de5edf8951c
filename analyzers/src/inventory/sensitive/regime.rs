//! Which rules speak of which class of data.

use super::DataClass;

/// A body of rules about data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Regime {
    /// California Consumer Privacy Act.
    Ccpa,
    /// General Data Protection Regulation.
    Gdpr,
    /// The same, article 9: special categories.
    GdprArticle9,
    /// Gramm-Leach-Bliley Act.
    Glba,
    /// Health Insurance Portability and Accountability Act.
    Hipaa,
    /// NIS 2 directive, article 21: access and keys.
    Nis2,
    /// Payment Card Industry Data Security Standard.
    PciDss,
    /// Second Payment Services Directive.
    Psd2,
}

impl Regime {
    /// The name used in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ccpa => "ccpa",
            Self::Gdpr => "gdpr",
            Self::GdprArticle9 => "gdpr_art9",
            Self::Glba => "glba",
            Self::Hipaa => "hipaa",
            Self::Nis2 => "nis2",
            Self::PciDss => "pci_dss",
            Self::Psd2 => "psd2",
        }
    }

    /// The regimes that speak of data of this class.
    ///
    /// Identifiers of those who treat are public in the United States; that they are personal data in Europe stays.
    #[must_use]
    pub fn of(class: DataClass) -> &'static [Self] {
        match class {
            DataClass::AbaRouting => &[Self::Glba],
            DataClass::Card | DataClass::Cvv | DataClass::Track => &[Self::Gdpr, Self::Glba, Self::PciDss],
            DataClass::Iban => &[Self::Ccpa, Self::Gdpr, Self::Glba, Self::Psd2],
            DataClass::Itin | DataClass::Ssn => &[Self::Ccpa, Self::Gdpr, Self::Glba],
            DataClass::Address
            | DataClass::BirthDate
            | DataClass::Email
            | DataClass::IpAddress
            | DataClass::Passport
            | DataClass::PersonName
            | DataClass::Phone => &[Self::Ccpa, Self::Gdpr],
            DataClass::AuTfn
            | DataClass::BrCpf
            | DataClass::CaSin
            | DataClass::DeTaxId
            | DataClass::EsNif
            | DataClass::FrNir
            | DataClass::GbNino
            | DataClass::InAadhaar
            | DataClass::InPan
            | DataClass::ItFiscalCode
            | DataClass::KrRrn
            | DataClass::PlPesel
            | DataClass::SePersonnummer
            | DataClass::SgFin => &[Self::Ccpa, Self::Gdpr],
            // Those who are in a health service, by number.
            DataClass::AuMedicare | DataClass::GbNhs => &[Self::Gdpr, Self::GdprArticle9],
            DataClass::ClinicalCode
            | DataClass::Diagnosis
            | DataClass::HealthRecord
            | DataClass::Mbi
            | DataClass::Mrn => &[Self::Gdpr, Self::GdprArticle9, Self::Hipaa],
            DataClass::Dea | DataClass::Npi => &[Self::Gdpr],
            DataClass::BrowserKey
            | DataClass::Jwt
            | DataClass::PrivateKey
            | DataClass::ProviderKey
            | DataClass::Secret => &[Self::Nis2],
        }
    }

    /// The regimes that speak of any of these classes, sorted.
    #[must_use]
    pub fn of_all(classes: impl IntoIterator<Item = DataClass>) -> Vec<Self> {
        let mut all: Vec<Self> = classes
            .into_iter()
            .flat_map(|class| Self::of(class).iter().copied())
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_regime_and_lists_are_sorted() {
        for class in DataClass::ALL {
            let regimes = Regime::of(*class);
            assert!(!regimes.is_empty() && regimes.is_sorted(), "{class:?}");
        }
        let names: Vec<_> = Regime::of_all([DataClass::Iban, DataClass::Card])
            .into_iter()
            .map(Regime::name)
            .collect();
        assert_eq!(names, ["ccpa", "gdpr", "glba", "pci_dss", "psd2"]);
        assert!(names.is_sorted());
    }
}

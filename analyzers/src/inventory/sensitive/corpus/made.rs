//! Of each class how its values are made, and the names they have.

use super::super::DataClass;
use super::nations;
use super::values::*;

/// A class, how its values are made, the names they have, and the names held back.
pub(super) type Made = (
    DataClass,
    fn(&mut Rng) -> String,
    &'static [&'static str],
    &'static [&'static str],
);

pub(super) const MADE: &[Made] = &[
    (
        DataClass::Card,
        card,
        &["card_number", "cardNumber", "pan", "credit_card", "ccNumber"],
        &["card", "primary_account_number", "creditCardNumber", "cc_num"],
    ),
    (
        DataClass::Track,
        track,
        &["track2", "trackData", "swipe"],
        &["magstripe", "raw"],
    ),
    (
        DataClass::Iban,
        iban,
        &["iban", "bank_account", "accountIban"],
        &["payout", "creditor_account", "x"],
    ),
    (
        DataClass::Ssn,
        ssn,
        &["ssn", "social_security_number", "taxId", "employeeSsn"],
        &["ssn_number", "socialSecurityNo", "social_security"],
    ),
    (
        DataClass::Email,
        email,
        &["email", "contact", "userEmail"],
        &["login", "to", "reply_to"],
    ),
    (
        DataClass::Phone,
        phone,
        &["phone", "phoneNumber", "mobile", "home_phone", "telephone"],
        &["cell_phone", "contactPhone", "fax", "mobile_number", "tel"],
    ),
    (
        DataClass::Address,
        address,
        &["address", "street", "address_line1", "streetAddress"],
        &["addressLine1", "billing_street", "home_address", "line1"],
    ),
    (
        DataClass::BirthDate,
        birth,
        &["dob", "birth_date", "dateOfBirth", "birthday"],
        &["date_of_birth", "patientDob", "birthDate", "customer_birthdate"],
    ),
    (
        DataClass::Npi,
        npi,
        &["npi", "providerNpi"],
        &["npi_number", "billing_npi"],
    ),
    (
        DataClass::Mbi,
        mbi,
        &["mbi", "medicare_id", "medicareNumber"],
        &["patientMbi", "medicare_beneficiary_id"],
    ),
    (
        DataClass::Diagnosis,
        diagnosis,
        &["diagnosis", "icd10", "diagnosis_code", "icdCode"],
        &["primaryDiagnosis", "dx", "icd10_code", "diagnosisCode"],
    ),
    (
        DataClass::ProviderKey,
        provider_key,
        &["key", "value", "api_key", "note"],
        &["x", "config", "credential"],
    ),
    (
        DataClass::PrivateKey,
        private_key,
        &["private_key", "pem"],
        &["content", "tlsKey"],
    ),
    (
        DataClass::Jwt,
        jwt,
        &["access_token", "jwt", "note"],
        &["id_token", "value"],
    ),
    (
        DataClass::Secret,
        secret,
        &["client_secret", "api_key", "accessToken", "secretKey"],
        &["password", "apiToken", "webhook_secret", "refresh_token"],
    ),
    (
        DataClass::BrowserKey,
        browser_key,
        &["maps_key", "value", "note"],
        &["firebaseApiKey", "config"],
    ),
    (
        DataClass::Itin,
        itin,
        &["itin", "taxId", "tax_id"],
        &["individual_itin", "tin", "payeeTaxId"],
    ),
    (
        DataClass::Passport,
        passport,
        &["passport", "passport_number", "passportNo"],
        &["travelerPassport", "passport_id", "travel_document_number"],
    ),
    (
        DataClass::PersonName,
        person,
        &["first_name", "lastName", "surname", "full_name"],
        &["givenName", "family_name", "customer_last_name", "vorname"],
    ),
    (
        DataClass::IpAddress,
        machine,
        &["ip", "client_ip", "ipAddress"],
        &["remote_addr", "lastLoginIp", "source_ip_address"],
    ),
    (
        DataClass::AbaRouting,
        routing,
        &["routing_number", "routingNumber", "aba"],
        &["bank_routing_number", "rtn", "abaNumber"],
    ),
    (
        DataClass::Dea,
        dea,
        &["dea", "dea_number"],
        &["prescriberDea", "deaNumber", "dea_id"],
    ),
    (
        DataClass::Mrn,
        record_number,
        &["mrn", "medical_record_number", "patientId"],
        &["patient_number", "patientMrn", "chart_number"],
    ),
    (
        DataClass::ClinicalCode,
        clinical,
        &["loinc", "ndc", "ndc_code"],
        &["loincCode", "drug_ndc", "ndcNumber"],
    ),
    (
        DataClass::AuMedicare,
        nations::au_medicare,
        &["medicare_number", "medicareNumber"],
        &["medicare_card_number", "medicareNo"],
    ),
    (
        DataClass::AuTfn,
        nations::au_tfn,
        &["tfn", "tax_file_number"],
        &["employeeTfn", "taxFileNumber"],
    ),
    (
        DataClass::BrCpf,
        nations::br_cpf,
        &["cpf", "numeroCpf"],
        &["cliente_cpf", "cpfCnpj"],
    ),
    (
        DataClass::CaSin,
        nations::ca_sin,
        &["sin", "social_insurance_number"],
        &["employeeSin", "sin_number"],
    ),
    (
        DataClass::DeTaxId,
        nations::de_tax_id,
        &["steuer_id", "identifikationsnummer"],
        &["idnr", "steuerIdNr", "steueridentifikationsnummer"],
    ),
    (
        DataClass::EsNif,
        nations::es_nif,
        &["nif", "dni"],
        &["nie", "cliente_nif", "dniNie"],
    ),
    (
        DataClass::FrNir,
        nations::fr_nir,
        &["nir", "numero_securite_sociale"],
        &["numSecu", "assure_nir"],
    ),
    (
        DataClass::GbNhs,
        nations::gb_nhs,
        &["nhs_number", "nhsNumber"],
        &["nhs_no", "patientNhs"],
    ),
    (
        DataClass::GbNino,
        nations::gb_nino,
        &["nino", "national_insurance_number"],
        &["ni_number", "nationalInsurance"],
    ),
    (
        DataClass::InAadhaar,
        nations::in_aadhaar,
        &["aadhaar", "aadhaar_number"],
        &["aadhar", "customerAadhaar"],
    ),
    (
        DataClass::InPan,
        nations::in_pan,
        &["pan", "pan_number"],
        &["panNo", "customer_pan"],
    ),
    (
        DataClass::ItFiscalCode,
        nations::it_fiscal_code,
        &["codice_fiscale", "codiceFiscale"],
        &["fiscal_code", "cf", "codFiscale"],
    ),
    (
        DataClass::KrRrn,
        nations::kr_rrn,
        &["rrn", "resident_registration_number"],
        &["jumin", "userRrn"],
    ),
    (
        DataClass::PlPesel,
        nations::pl_pesel,
        &["pesel", "numer_pesel"],
        &["klientPesel", "pesel_number"],
    ),
    (
        DataClass::SePersonnummer,
        nations::se_personnummer,
        &["personnummer", "medborgare_personnummer"],
        &["personalNumber", "pnr"],
    ),
    (
        DataClass::SgFin,
        nations::sg_fin,
        &["nric", "fin"],
        &["nricFin", "nric_number"],
    ),
];

//! AMF values.

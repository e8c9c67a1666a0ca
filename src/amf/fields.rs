//! The fields of AMF 0 and AMF 3, named as Wireshark names them, and the names of their markers.

/// The names of the markers of AMF 0, as Wireshark has them.
pub(crate) fn amf0_type_name(marker: u64) -> Option<&'static str> {
    Some(match marker {
        0x00 => "Number",
        0x01 => "Boolean",
        0x02 => "String",
        0x03 => "Object",
        0x04 => "Movie clip",
        0x05 => "Null",
        0x06 => "Undefined",
        0x07 => "Reference",
        0x08 => "ECMA array",
        0x09 => "End of object",
        0x0a => "Strict array",
        0x0b => "Date",
        0x0c => "Long string",
        0x0d => "Unsupported",
        0x0e => "Record set",
        0x0f => "XML",
        0x10 => "Typed object",
        0x11 => "Switch to AMF3",
        0x22 => "Int64",
        _ => return None,
    })
}

/// The names of the markers of AMF 3, as Wireshark has them, and of those it has not.
fn amf3_type_name(marker: u64) -> Option<&'static str> {
    Some(match marker {
        0x00 => "Undefined",
        0x01 => "Null",
        0x02 => "False",
        0x03 => "True",
        0x04 => "Integer",
        0x05 => "Double",
        0x06 => "String",
        0x07 => "XML document",
        0x08 => "Date",
        0x09 => "Array",
        0x0a => "Object",
        0x0b => "XML",
        0x0c => "ByteArray",
        0x0d => "Vector int",
        0x0e => "Vector uint",
        0x0f => "Vector double",
        0x10 => "Vector object",
        0x11 => "Dictionary",
        _ => return None,
    })
}

crate::fields! {
    VALUE = "amf.value", Group, "Value", "A value of AMF (own name).";
    OBJECT = "amf.object", Group, "Object", "An object without a class (AMF0 2.5), or any object of AMF 3 (AMF3 3.12).";
    TYPED_OBJECT = "amf.typedobject", Group, "Typed object", "An object with a class (AMF0 2.18; own name).";
    CLASS = "amf.typedobject.class", Group, "Class", "The class of a typed object (AMF0 2.18; own name).";
    ECMA_ARRAY = "amf.ecmaarray", Group, "ECMA array", "An array with names (AMF0 2.10).";
    STRICT_ARRAY = "amf.strictarray", Group, "Strict array", "An array by position (AMF0 2.12).";
    PROPERTY = "amf.property", Group, "Property", "A name and its value (own name).";
    PROPERTY_NAME = "amf.property.name", Group, "Name", "The name of a property (own name).";
    AMF0_TYPE = "amf.amf0_type", Hex, "AMF0 type", "The marker before a value (AMF0 2.1).", amf0_type_name;
    NUMBER = "amf.number", Double, "Number", "A double (AMF0 2.2).";
    BOOLEAN = "amf.boolean", Boolean, "Boolean", "False if 0 (AMF0 2.3).";
    STRING_LENGTH = "amf.stringlength", Uint, "String length", "Bytes of UTF-8 that follow (AMF0 1.3.1).";
    STRING = "amf.string", Text, "String", "A string, or the name of a property (AMF0 2.4).";
    NAME = "amf.string", Text, "Name", "The name of a property (AMF0 2.5).";
    LONG_STRING = "amf.longstring", Text, "Long string", "A string with a length of four bytes (AMF0 2.14).";
    OBJECT_REFERENCE = "amf.object_reference", Uint, "Object reference",
        "The number of an object, array or typed object seen before (AMF0 2.9).";
    ARRAY_LENGTH = "amf.arraylength", Uint, "Array length", "The count before an array (AMF0 2.10, 2.12).";
    END_OF_OBJECT = "amf.end_of_object_marker", Mark, "End Of Object Marker",
        "An empty name and the marker 09 (AMF0 2.11).";
    CLASS_NAME = "amf.classname", Text, "Class name", "The class of an object of AMF 3 (AMF3 3.12).";
    DATE = "amf.date", Double, "Date", "Milliseconds since 1970-01-01 UTC (AMF0 2.13).";
    TIMEZONE = "amf.timezone", Int, "Time zone", "Reserved, to be 0 (AMF0 2.13; own name).";
    XML_DOC = "amf.xml_doc", Text, "XML document", "XML as text (AMF0 2.17).";
    INT64 = "amf.int64", Int, "Int64", "Marker 0x22, in no specification.";
    AMF3_TYPE = "amf.amf3_type", Hex, "AMF3 type", "The marker before a value (AMF3 3.1).", amf3_type_name;
    ARRAY = "amf.array", Group, "Array", "An array of AMF 3 (AMF3 3.11).";
    VECTOR = "amf.vector", Group, "Vector", "Values of one type (AMF3 3.15; own name).";
    DICTIONARY = "amf.dictionary", Group, "Dictionary", "Values by value (AMF3 3.16; own name).";
    TRAITS = "amf.traits", Group, "Traits", "The class of an object and its members (AMF3 3.12; own name).";
    INTEGER = "amf.integer", Int, "Integer", "29 bits, signed (AMF3 3.6).";
    STRING_REFERENCE = "amf.string_reference", Uint, "String reference", "The number of a string seen before (AMF3 3.8).";
    TRAIT_REFERENCE = "amf.trait_reference", Uint, "Trait reference", "The number of a class seen before (AMF3 3.12).";
    TRAIT_COUNT = "amf.traitcount", Uint, "Trait count", "How many members the class has (AMF3 3.12).";
    EXTERNALIZABLE = "amf.traits.externalizable", Uint, "Externalizable",
        "1: the class writes its objects itself (AMF3 3.12; own name).";
    DYNAMIC = "amf.traits.dynamic", Uint, "Dynamic", "1: members not of the class follow (AMF3 3.12; own name).";
    CLASS_NAME_LENGTH = "amf.classnamelength", Uint, "Class name length", "Bytes of UTF-8 that follow (AMF3 3.12).";
    MEMBER_NAME_LENGTH = "amf.membernamelength", Uint, "Member name length", "Bytes of UTF-8 that follow (AMF3 3.12).";
    MEMBER_NAME = "amf.membername", Text, "Member name", "The name of a member, sealed or dynamic (AMF3 3.12).";
    SEALED_NAME = "amf.property.sealed", Text, "Name", "The name that the class gives to a value (own name).";
    END_OF_ASSOCIATIVE = "amf.end_of_associative_part", Mark, "End of associative part", "An empty name (AMF3 3.11).";
    END_OF_DYNAMIC = "amf.end_of_dynamic_members", Mark, "End Of Dynamic Members", "An empty name (AMF3 3.12).";
    DENSE_LENGTH = "amf.arraydenselength", Uint, "Dense length", "Values by position (AMF3 3.11).";
    INLINE = "amf.inline", Uint, "Inline", "The low bit is set: not a reference (AMF3 3.10; own name).";
    XML_LENGTH = "amf.xmllength", Uint, "XML length", "Bytes of UTF-8 that follow (AMF3 3.9, 3.13).";
    XML = "amf.xml", Text, "XML", "XML as text (AMF3 3.13).";
    BYTE_ARRAY_LENGTH = "amf.bytearraylength", Uint, "ByteArray length", "Bytes that follow (AMF3 3.14).";
    BYTE_ARRAY = "amf.bytearray", Bytes, "ByteArray", "Bytes (AMF3 3.14).";
    VECTOR_LENGTH = "amf.vector.length", Uint, "Vector length", "Values that follow (AMF3 3.15; own name).";
    VECTOR_FIXED = "amf.vector.fixed", Boolean, "Fixed length", "1: the length must not change (AMF3 3.15; own name).";
    VECTOR_INT = "amf.vector.int", Int, "Int", "A value of a Vector of int (AMF3 3.15; own name).";
    VECTOR_UINT = "amf.vector.uint", Uint, "Uint", "A value of a Vector of uint (AMF3 3.15; own name).";
    DICTIONARY_LENGTH = "amf.dictionary.length", Uint, "Dictionary length", "Pairs that follow (AMF3 3.16; own name).";
    DICTIONARY_WEAK = "amf.dictionary.weak_keys", Boolean, "Weak keys", "1: keys are held weakly (AMF3 3.16; own name).";
    UNDECODED = "amf.undecoded", Bytes, "Undecoded", "Bytes that could not be read as AMF (own name).";
}

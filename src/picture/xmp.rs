//! XMP: one property in a packet (XMP specification, part 1, 7).

const OPEN: &str = "<impasto:record>";
const CLOSE: &str = "</impasto:record>";

/// What XML has no place for in a text, and what stands for it; `&` comes first where these are put in, last where they are
/// taken out.
const ENTITIES: [(&str, &str); 5] = [
    ("&", "&amp;"),
    ("<", "&lt;"),
    (">", "&gt;"),
    ("\"", "&quot;"),
    ("'", "&apos;"),
];

/// A packet whose property is the text.
pub(super) fn packet(text: &str) -> String {
    let text = ENTITIES[..3]
        .iter()
        .fold(text.to_owned(), |text, (plain, entity)| {
            text.replace(plain, entity)
        });
    format!(
        "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\
         <x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\
         <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
         <rdf:Description rdf:about=\"\" xmlns:impasto=\"urn:impasto:\">{OPEN}{text}{CLOSE}</rdf:Description>\
         </rdf:RDF></x:xmpmeta><?xpacket end=\"r\"?>"
    )
}

/// The text of a packet that has it.
pub(super) fn text(packet: &str) -> Option<String> {
    let (_, rest) = packet.split_once(OPEN)?;
    let (text, _) = rest.split_once(CLOSE)?;
    let entities = ENTITIES.iter().rev();
    Some(entities.fold(text.to_owned(), |text, (plain, entity)| {
        text.replace(entity, plain)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_xml_with_the_text() {
        const TEXT: &str = "{\"a\": \"<b> & 'c' &amp; ü\"}";
        let packet = packet(TEXT);
        let document = roxmltree::Document::parse(&packet).unwrap();
        let property = document
            .descendants()
            .find(|node| node.has_tag_name(("urn:impasto:", "record")));
        assert_eq!(property.unwrap().text(), Some(TEXT));
        assert_eq!(text(&packet).as_deref(), Some(TEXT));
    }
}

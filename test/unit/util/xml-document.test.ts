import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../../../src/util/errors.ts';
import { MAX_XML_LENGTH, parseXmlDocument } from '../../../src/util/xml-document.ts';

function refusal(text: string): string {
  try {
    parseXmlDocument(text, 'f.xml');
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message;
  }
  assert.fail('it was accepted');
}

test('xml: names, attributes, texts and their places', () => {
  const text = `<?xml version="1.0"?>\n<!-- <no/> -->\n<a one="1"  two = 'x &amp; "y"'>\n  text\n  <b/>tail</a>`;
  const document = parseXmlDocument(text, 'f.xml');
  const { root } = document;
  assert.equal(root.name, 'a');
  assert.equal(document.where(root.offset), 'f.xml:3:1');
  assert.deepEqual(
    root.attributes.map((one) => [one.name, one.value, document.where(one.offset)]),
    [
      ['one', '1', 'f.xml:3:4'],
      ['two', 'x & "y"', 'f.xml:3:13'],
    ],
  );
  assert.equal(document.where(root.textOffset), 'f.xml:4:3');
  assert.equal(root.text, 'text\n  tail');
  assert.equal(root.children.length, 1);
  assert.equal(document.where(root.children[0]!.offset), 'f.xml:5:3');
  assert.equal(root.children[0]!.endOffset, root.children[0]!.offset);
  assert.equal(document.where(root.endOffset), 'f.xml:5:11');
  assert.equal(document.lineOf(root.endOffset), 5);
});

test('xml: an attribute whose value looks like markup does not disturb the places', () => {
  const document = parseXmlDocument(`<a x='1>' b="x='2'"/>`, 'f.xml');
  assert.deepEqual(
    document.root.attributes.map((one) => [one.name, one.value, document.where(one.offset)]),
    [
      ['x', '1>', 'f.xml:1:4'],
      ['b', "x='2'", 'f.xml:1:11'],
    ],
  );
});

test('xml: every kind of line end, and a byte order mark, leave places right', () => {
  for (const end of ['\n', '\r\n', '\r']) {
    for (const mark of ['', '\uFEFF']) {
      const document = parseXmlDocument(`${mark}<a>${end}  <b x="1"/>${end}</a>${end}`, 'f.xml');
      const inner = document.root.children[0]!;
      assert.equal(document.where(document.root.offset), 'f.xml:1:1');
      assert.equal(document.where(inner.offset), 'f.xml:2:3');
      assert.equal(document.where(inner.attributes[0]!.offset), 'f.xml:2:6');
      assert.equal(document.where(document.root.endOffset), 'f.xml:3:1');
    }
  }
});

test('xml: what is not well-formed is refused with place, cause and the line', () => {
  const cases: [string, string][] = [
    ['<a>\n <b></a>', 'f.xml:2:5: this is no well-formed XML: Missing end tag for element b in <b></a>'],
    [
      '\uFEFF<a>\r\n <b></a>',
      'f.xml:2:5: this is no well-formed XML: Missing end tag for element b in <b></a>',
    ],
    ['<a x=1/>', 'f.xml:1:6: this is no well-formed XML: Attribute value expected in <a x=1/>'],
    [
      '<a x="1" x="2"/>',
      'f.xml:1:15: this is no well-formed XML: Duplicate attribute: x in <a x="1" x="2"/>',
    ],
    [
      '<a/><b/>',
      'f.xml:1:5: this is no well-formed XML: Extra content at the end of the document in <a/><b/>',
    ],
    ['', 'f.xml:1:1: this is no well-formed XML: Root element is missing or invalid'],
    [
      '<a>&lol;</a>',
      "f.xml:1:4: this is no well-formed XML: Named entity isn't defined: &lol; in <a>&lol;</a>",
    ],
  ];
  for (const [text, message] of cases) assert.equal(refusal(text), message);
});

test('xml: document types, and with them entity bombs and external entities, are refused', () => {
  const bomb =
    '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>';
  assert.match(refusal(bomb), /Named entity isn't defined: &c;/);
  const external = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>';
  assert.match(refusal(external), /Named entity isn't defined: &x;/);
  const message = 'f.xml:1:1: a document type declaration (<!DOCTYPE …>) is not allowed here.';
  assert.equal(refusal('<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd">\n<a/>'), message);
});

test('xml: length and depth are bounded', () => {
  assert.match(refusal(`<a>${' '.repeat(MAX_XML_LENGTH)}</a>`), /^f\.xml: the file is longer than 1024 KiB/);
  const nested = (depth: number) => '<a>'.repeat(depth) + '</a>'.repeat(depth);
  assert.equal(parseXmlDocument(nested(16), 'f.xml').root.name, 'a');
  assert.equal(refusal(nested(17)), 'f.xml:1:49: elements are nested more than 16 deep.');
  assert.match(refusal(nested(100_000)), /nested more than 16 deep/);
});

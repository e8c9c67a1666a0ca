//! Literals that `follow` and `amf` write, in the languages that Debian has: each compiles, runs, and has the bytes.

use std::fs;
use std::path::Path;
use std::process::Command;

use rtmp_inspect::literal::{Form, write};

/// All bytes; and escapes, quotation marks and marks of interpolation, each followed by what could be read as part of it.
fn cases() -> Vec<Vec<u8>> {
    let mut cases: Vec<Vec<u8>> = vec![(0..=255).collect(), vec![], b"play".to_vec()];
    let tricky: [&[u8]; 14] = [
        b"\x000\x01a\x7ff\x1b8",
        b"\xffff\xe9\xc3\xa9\xf0",
        b"a\"b'c`d\\e\\x41\\101\\u0041",
        b"??=??/???!????(",
        b"${x} $y %s%n%% \\(a) #{b} {{c}}",
        b"\r\n\t\x0b\x0c\x08\x07",
        b"'''\"\"\"",
        b"\\",
        b"\"#\"##",
        b"*/ // /*",
        b"0123456789abcdef0123456789ABCDEF",
        b"\x02\x00\x07connect\x00\x3f\xf0\x00\x00\x00\x00\x00\x00",
        b"rtmp://127.0.0.1:1935/live?a=1&b=2",
        b"</script><!-- -->",
    ];
    cases.extend(tricky.map(<[u8]>::to_vec));
    cases.push(b"x".repeat(5000));
    // Each byte before a digit of each kind.
    cases.extend((0..=255u8).map(|byte| vec![byte, b'0', byte, b'f', byte, b'?', byte]));
    cases
}

#[test]
fn python() {
    let lines = joined(Form::Python, |literal| format!("print(({literal}).hex())\n"));
    check("python3", &[], "literals.py", &lines);
}

#[test]
fn javascript() {
    let lines = joined(Form::JavaScript, |literal| format!("console.log(Buffer.from({literal}).toString('hex'));\n"));
    check("node", &[], "literals.js", &format!("'use strict';\n{lines}"));
}

#[test]
fn c() {
    // A string has a NUL at its end, which is not in the bytes.
    let line =
        |literal: &str| format!("    show({literal}, sizeof({literal}) - {});\n", u8::from(literal.starts_with('"')));
    let source = format!(
        "#include <stdio.h>\nstatic void show(const void *p, size_t n) {{\n    const unsigned char *b = p;\n    \
         for (size_t i = 0; i < n; i++) printf(\"%02x\", b[i]);\n    puts(\"\");\n}}\nint main(void) {{\n{}}}\n",
        // C has no empty array, and an empty string where that is meant.
        joined(Form::C, line)
    );
    compile_and_check(
        "gcc",
        &["-std=c11", "-trigraphs", "-pedantic", "-Wall", "-Wextra", "-Werror"],
        "literals.c",
        &source,
    );
}

#[test]
fn rust() {
    let lines = joined(Form::Rust, |literal| format!("    show({literal});\n"));
    let source = format!(
        "fn show(bytes: &[u8]) {{ println!(\"{{}}\", bytes.iter().map(|b| format!(\"{{b:02x}}\")).collect::<String>()); }}\n\
         fn main() {{\n{lines}}}\n"
    );
    compile_and_check("rustc", &["--edition", "2021", "-D", "warnings"], "literals.rs", &source);
}

#[test]
fn go() {
    let lines = joined(Form::Go, |literal| format!("\tshow({literal})\n"));
    // Without packages, so that none has to be compiled.
    let source = format!(
        "package main\n\nfunc show(b []byte) {{\n\tconst digits = \"0123456789abcdef\"\n\ts := \"\"\n\t\
         for _, c := range b {{\n\t\ts += string(digits[c>>4]) + string(digits[c&15])\n\t}}\n\tprintln(s)\n}}\n\n\
         func main() {{\n{lines}}}\n"
    );
    check("go", &["run"], "literals.go", &source);
}

/// Swift and Kotlin are not in Debian: what is written is what their references have (Swift, "Lexical Structure"; Kotlin,
/// "Strings"), in words that were read there.
#[test]
fn swift_and_kotlin() {
    for (bytes, swift, kotlin) in [
        (&b"a\"b\\(c)"[..], r#"Array("a\"b\\(c)".utf8)"#, r#""a\"b\\(c)".toByteArray()"#),
        (b"${x}\n", r#"Array("${x}\n".utf8)"#, r#""\${x}\n".toByteArray()"#),
        (
            b"\x00\x7f\x80\xff",
            "[0x00, 0x7f, 0x80, 0xff] as [UInt8]",
            "byteArrayOf(0x00, 0x7f, 0x80.toByte(), 0xff.toByte())",
        ),
        (b"", r#"Array("".utf8)"#, r#""".toByteArray()"#),
    ] {
        assert_eq!(write(bytes, Form::Swift), swift);
        assert_eq!(write(bytes, Form::Kotlin), kotlin);
    }
}

fn joined(form: Form, line: impl Fn(&str) -> String) -> String {
    cases().iter().map(|bytes| line(&write(bytes, form))).collect()
}

fn compile_and_check(compiler: &str, args: &[&str], name: &str, source: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (path, program) = (dir.path().join(name), dir.path().join("literals"));
    fs::write(&path, source).expect("writable");
    run(Command::new(compiler).args(args).arg("-o").arg(&program).arg(&path));
    same(&run(&mut Command::new(&program)));
}

fn check(interpreter: &str, args: &[&str], name: &str, source: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join(name);
    fs::write(&path, source).expect("writable");
    let cache = std::env::temp_dir().join("rtmp-inspect-go-cache");
    same(&run(Command::new(interpreter).args(args).arg(&path).env("GOCACHE", cache).env("GO111MODULE", "off")));
}

/// What was printed, on either stream.
fn run(command: &mut Command) -> String {
    let name = Path::new(command.get_program()).display().to_string();
    let output = command.output().unwrap_or_else(|error| panic!("{name}: {error}; .ci/run installs what is missing"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{name}: {said}");
    String::from_utf8(output.stdout).expect("UTF-8") + &said
}

fn same(printed: &str) {
    let expected: Vec<String> = cases().iter().map(hex::encode).collect();
    for (line, (found, expected)) in printed.lines().zip(&expected).enumerate() {
        assert_eq!(found, expected, "case {line}");
    }
    assert_eq!(printed.lines().count(), expected.len());
}

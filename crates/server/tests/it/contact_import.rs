//! Import and export of contacts in CSV.

use axum::body::{Body, Bytes};
use axum::http::Request;
use engine::access::api_key::DEV_KEY;
use serde_json::{Value, json};

use crate::support::{CUSTOMER, TestApp, TestResponse};

async fn import(app: &TestApp, query: &str, table: impl Into<Body>) -> TestResponse {
    let request = Request::post(format!("/api/contacts/import{query}"))
        .header("X-API-Key", DEV_KEY)
        .header("Content-Type", "text/csv; charset=utf-8")
        .body(table.into())
        .unwrap();
    app.call(request).await
}

fn counts(response: &TestResponse) -> [i64; 4] {
    ["created", "updated", "unchanged", "failed"].map(|name| response.data()[name].as_i64().unwrap())
}

async fn one(app: &TestApp, search: &str) -> Value {
    let found = app.get(&format!("/api/contacts?search={search}")).await.expect(200);
    assert_eq!(found.data()["total"], 1, "{search}");
    found.data()["contacts"][0].clone()
}

async fn export(app: &TestApp, query: &str) -> String {
    let response = app.get(&format!("/api/contacts/export{query}")).await.expect(200);
    assert_eq!(response.headers["content-type"], "text/csv; charset=utf-8");
    response.body.as_str().unwrap().to_owned()
}

/// A file as a spreadsheet program writes it: byte order mark, semicolons, CRLF line breaks.
const TABLE: &str = "\u{feff}name;phone_number;tags;stage;email;custom.city;opted_out\r\n\
    \"Osei; Maya\";+44 7700 900111;vip, berlin;lead;maya@example.com;Lagos;\r\n\
    Bo;447700900112;;;;;true\r\n\
    \r\n\
    Wrong;12;;;nobody;;maybe\r\n\
    \"two\r\nlines\";+447700900113;a|b,c;;;;false\r\n\
    Ann;+44 7700 900-111;;customer;;;\r\n\
    More;+447700900114;;;;;;surplus\r\n\
    Nobody;;;;;;\r\n";

#[tokio::test]
async fn a_csv_file_is_imported_row_by_row() {
    let app = TestApp::new().await;
    let response = import(&app, "", TABLE).await.expect(200);
    assert_eq!(counts(&response), [3, 1, 0, 3]);
    assert_eq!(
        response.data()["errors_csv"],
        "line,column,reason\n\
         5,email,\"must be an e-mail address, such as maya@example.com\"\n\
         5,opted_out,must be `true` or `false`\n\
         5,phone_number,has too few digits for a number of its country\n\
         9,\"\",\"the row has 8 cells, but the first row has 7 columns\"\n\
         10,phone_number,is required\n"
    );
    assert_eq!((&response.data()["last_line"], &response.data()["dry_run"]), (&json!(10), &json!(false)));
    let maya = one(&app, "900111").await;
    assert_eq!(maya["name"], "Ann");
    assert_eq!(maya["tags"], json!(["vip", "berlin"]));
    assert_eq!((&maya["stage"], &maya["custom_fields"]), (&json!("customer"), &json!({"city": "Lagos"})));
    let bo = one(&app, "900112").await;
    assert_eq!((&bo["opted_out"], &bo["opted_out_reason"]), (&json!(true), &json!("import")));
    let two = one(&app, "900113").await;
    assert_eq!((&two["name"], &two["tags"]), (&json!("two\r\nlines"), &json!(["a", "b,c"])));
    let again = import(&app, "", TABLE).await.expect(200);
    // Two rows of the same contact have different names.
    assert_eq!(counts(&again), [0, 2, 2, 3]);
}

#[tokio::test]
async fn a_dry_run_reports_the_result_and_writes_nothing() {
    let app = TestApp::new().await;
    let before = app.get("/api/events?after=latest").await.expect(200).data()["next_cursor"].clone();
    let response = import(&app, "?dry_run=true", TABLE).await.expect(200);
    assert_eq!(counts(&response), [3, 1, 0, 3]);
    assert_eq!(response.data()["dry_run"], true);
    assert_eq!(app.get("/api/contacts").await.data()["total"], 1);
    assert_eq!(app.get("/api/events?after=latest").await.data()["next_cursor"], before);
    import(&app, "?dryrun=true", TABLE).await.expect(400);
}

#[tokio::test]
async fn a_file_can_be_uploaded_in_a_form() {
    let app = TestApp::new().await;
    let form = "--XX\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n\
        --XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"people.csv\"\r\n\
        Content-Type: text/csv\r\n\r\nphone_number,name\r\n+447700900111,Maya\r\n\r\n--XX--\r\n";
    let send = |form: String, kind: &str| {
        let request = Request::post("/api/contacts/import")
            .header("X-API-Key", DEV_KEY)
            .header("Content-Type", kind.to_owned())
            .body(Body::from(form))
            .unwrap();
        app.call(request)
    };
    let response = send(form.to_owned(), "multipart/form-data; boundary=XX").await.expect(200);
    assert_eq!(counts(&response), [1, 0, 0, 0]);
    let without = form.replace("name=\"file\"", "name=\"table\"");
    let refused = send(without, "multipart/form-data; boundary=XX").await.expect(400);
    assert_eq!(refused.pointers(), ["/file"]);
    send("{}".to_owned(), "application/json").await.expect(415);
    let cut = form.replace("--XX--", "");
    send(cut, "multipart/form-data; boundary=XX").await.expect(400);
}

#[tokio::test]
async fn unknown_columns_reject_the_import() {
    let app = TestApp::new().await;
    let refused = import(&app, "", "phone_nubmer,name,name,custom.\n+447700900111,Maya,x,y\n").await;
    let refused = refused.expect(400);
    assert_eq!(refused.pointers(), ["/phone_nubmer", "/name", "/custom."]);
    assert!(refused.reasons().contains("did you mean `phone_number`?"));
    assert_eq!(import(&app, "", "name\nMaya\n").await.expect(400).pointers(), ["/phone_number"]);
    assert_eq!(import(&app, "", "").await.expect(400).pointers(), [""]);
    assert_eq!(app.get("/api/contacts").await.data()["total"], 1);
}

#[tokio::test]
async fn an_export_can_be_imported_unchanged() {
    let app = TestApp::new().await;
    let contacts = json!({"contacts": [
        {"phone_number": "+447700900111", "name": "=cmd|' /C calc'!A1", "tags": ["-1", "a,b"], "stage": "@lead",
         "email": "maya@example.com", "custom_fields": {"seats": 3, "trial": true, "note": "'=x, \"y\"\nz", "plan": " +1 "}},
        {"phone_number": "+447700900112", "tags": ["one,two"], "opted_out": true, "custom_fields": {"tab": "\tx"}},
        {"user_id": "GB.77120394857261034", "name": "Bo"},
    ]});
    app.post("/api/contacts/bulk", &contacts).await.expect(200);
    let shown = app.get("/api/contacts").await.data().clone();
    let table = export(&app, "").await;
    assert!(table.starts_with(
        "phone_number,user_id,name,username,email,tags,stage,opted_out,custom.note,custom.plan,custom.seats,custom.tab,custom.trial\n"
    ));
    for cell in table.split([',', '\n']) {
        let cell = cell.trim_matches('"');
        let is_number =
            cell.strip_prefix('+').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
        assert!(is_number || !cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?} in {table}");
    }
    let back = import(&app, "", table.clone()).await.expect(200);
    assert_eq!(counts(&back), [0, 0, 4, 0], "{}", back.data()["errors_csv"]);
    assert_eq!(*app.get("/api/contacts").await.data(), shown);
    assert_eq!(export(&app, "").await, table);
    let some = export(&app, "?opted_out=true").await;
    assert_eq!(some.lines().count(), 2);

    // In an empty gateway, the import creates the same contacts.
    let other = TestApp::new().await;
    let accepted_message = import(&other, "", table.clone()).await.expect(200);
    assert_eq!(counts(&accepted_message)[3], 0);
    let sorted = |table: &str| {
        let mut lines: Vec<String> = table.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&export(&other, "").await), sorted(&table));
}

#[tokio::test]
async fn a_long_file_is_imported_in_chunks_and_reports_its_progress() {
    let app = TestApp::new().await;
    let row = |i: u32| Bytes::from(format!("+4420794{i:05},Person {i}\n"));
    let rows = |n: u32| {
        let head = Bytes::from_static(b"phone_number,name\n");
        std::iter::once(head).chain((0..n).map(row)).map(Ok::<_, std::io::Error>)
    };
    let whole = Body::from_stream(futures_util::stream::iter(rows(1_200)));
    let response = import(&app, "", whole).await.expect(200);
    assert_eq!(counts(&response), [1_200, 0, 0, 0]);
    assert_eq!(export(&app, "").await.lines().count(), 1_202);
    // The connection breaks in the middle of the second chunk.
    let broken = rows(1_700).take(801).chain([Err(std::io::Error::other("cut"))]);
    let cut = Body::from_stream(futures_util::stream::iter(broken));
    let response = import(&app, "", cut).await.expect(400);
    let imported = &response.body["details"]["imported"];
    assert_eq!((&imported["unchanged"], &imported["last_line"]), (&json!(500), &json!(501)));
    // An unclosed quotation mark makes the rest of the file one cell.
    let endless = format!("phone_number,name\n+447700900111,\"{}", "x".repeat(400_000));
    let refused = import(&app, "", endless).await.expect(400);
    assert!(refused.reasons().contains("line 2"), "{}", refused.reasons());
}

#[tokio::test]
async fn all_errors_are_counted_and_the_first_thousand_are_listed() {
    let app = TestApp::new().await;
    let table = format!("phone_number\n{}", "12\n".repeat(1_100));
    let response = import(&app, "", table).await.expect(200);
    assert_eq!(counts(&response), [0, 0, 0, 1_100]);
    assert_eq!(response.data()["errors_truncated"], true);
    assert_eq!(response.data()["errors_csv"].as_str().unwrap().lines().count(), 1_001);
    let latin = b"phone_number,name\n+447700900111,Zo\xeb\n".to_vec();
    let response = import(&app, "", latin).await.expect(200);
    assert!(response.data()["errors_csv"].as_str().unwrap().contains("is not UTF-8"));
    let nul = "phone_number,name\n+447700900111,a\0b\n";
    assert_eq!(counts(&import(&app, "", nul).await.expect(200)), [0, 0, 0, 1]);
    assert_eq!(app.get(&format!("/api/contacts?phone_number={}", &CUSTOMER[1..])).await.data()["total"], 1);
}

// Another empty row in a form without a way to the server and back, so that secrets that were typed stay. Without
// this script the same button asks the server for the form with a row more.
"use strict";

document.querySelectorAll("button[data-more]").forEach((button) => {
  button.addEventListener("click", (event) => {
    event.preventDefault();
    const rows = document.getElementById(`rows-${button.dataset.more}`);
    const count = rows.children.length;
    if (count >= Number(button.dataset.most)) return;
    const row = rows.lastElementChild.cloneNode(true);
    row.querySelectorAll("input, select, textarea").forEach((field) => {
      field.value = "";
      field.removeAttribute("placeholder");
    });
    row.querySelectorAll("label").forEach((label) => {
      label.firstChild.textContent = label.firstChild.textContent.replace(/\d+/, String(count + 1));
    });
    rows.append(row);
    row.querySelector("input, select, textarea").focus();
  });
});

/* What the admin's own pages need beyond ui.js. */
"use strict";
// Its date and time fields stand two to a label, and its search field has a picture for one.
for (const field of document.querySelectorAll(".vDateField, .vTimeField, #searchbar")) {
  const label = field.closest(".form-row")?.querySelector("label, legend")?.textContent || "Search:";
  field.ariaLabel = `${label.replace(":", "")} ${field.matches(".vDateField") ? "date" : field.matches(".vTimeField") ? "time" : ""}`.trim();
}

// "Copy" beside a new key. Without script the field can be selected all the same, so the button is shown only here.
const field = document.getElementById("plaintext");
const button = document.getElementById("copy");

async function copied() {
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    return document.execCommand("copy"); // there is no clipboard under plain http and another name than this machine's
  }
}

button.addEventListener("click", async () => {
  const done = await copied();
  button.textContent = done ? "Copied" : "Press Ctrl-C";
  document.getElementById("copied").textContent = done ? "Copied." : "Could not copy. The key is selected: press Ctrl-C.";
});
field.addEventListener("focus", () => field.select());
button.hidden = false;

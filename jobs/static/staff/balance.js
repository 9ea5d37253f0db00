/* Shows the balance that a grant or an adjustment leads to, while its amount is typed. */
"use strict";

const amount = document.getElementById("id_amount");
const balance = document.querySelector("data.balance");
if (amount && balance) {
  const after = document.createElement("output");
  after.htmlFor = "id_amount";
  after.className = "help";
  amount.closest(".form-row").append(after);
  const show = () => {
    const number = Number(balance.value) + Number(amount.value);
    const tokens = number === 1 ? "token" : "tokens";
    if (amount.value === "" || !Number.isSafeInteger(number)) after.textContent = "";
    else if (number < 0) after.textContent = "The balance would be below 0.";
    else after.textContent = `The balance is then ${number.toLocaleString("en")} ${tokens}.`;
  };
  amount.addEventListener("input", show);
  show();
}

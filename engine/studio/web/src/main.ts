import { mount } from "svelte";
import App from "./App.svelte";
import "uplot/dist/uPlot.min.css";
import "./studio.css";
import { forgetToken } from "./lib/route.svelte";

forgetToken();
const target = document.getElementById("app");
if (target) mount(App, { target });

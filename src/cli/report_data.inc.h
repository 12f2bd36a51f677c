/* The style of a report.  Made by tools/embed_css.awk from
 * tools/report.css: edit that, then make it again. */
static const char *const report_css[] = {
    ":root{--bg:#fff;--fg:#1c2024;--dim:#69717a;--rule:#e4e7ea;--card:#f7f8"
    "f9;--warn:#b3420a;--ll:42%;\n",
    "--c0:#0b6bcb;--c1:#8a94a0;--c2:#c4500c;--c3:#2e7d32;--c4:#8e44ad;--c5:"
    "#a07400;--c6:#c2185b;--c7:#00838f;--c8:#6d4c41}\n",
    "@media(prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e6e8ea;--di"
    "m:#98a1aa;--rule:#2c3238;--card:#1c2024;--warn:#ff9e64;--ll:66%;\n",
    "--c0:#6cb6ff;--c1:#87919c;--c2:#ff9e64;--c3:#7ed491;--c4:#c99bf5;--c5:"
    "#e5c07b;--c6:#ff8fb8;--c7:#5fd3d9;--c8:#c7a99b}}\n",
    "path{fill:none;vector-effect:non-scaling-stroke;stroke-linejoin:round;"
    "stroke-linecap:round}\n",
    ".grid{stroke:var(--rule);stroke-width:1}\n",
    ".line{stroke:var(--s);stroke-width:2}\n",
    ".faint{stroke:var(--s);stroke-width:1;opacity:.35}\n",
    ".dots{stroke:var(--s);stroke-width:6}\n",
    "text{font:12px system-ui,sans-serif;fill:var(--dim)}\n",
    "text.y{text-anchor:end}text.x,text.a{text-anchor:middle}\n",
    "text.e{fill:var(--s);font-weight:600}text.t{fill:var(--fg);font-size:1"
    "4px;font-weight:600}\n",
    ".c0{--s:var(--c0)}.c1{--s:var(--c1)}.c2{--s:var(--c2)}.c3{--s:var(--c3"
    ")}.c4{--s:var(--c4)}.c5{--s:var(--c5)}.c6{--s:var(--c6)}.c7{--s:var(--"
    "c7)}.c8{--s:var(--c8)}\n",
    ".first{--s:var(--dim);stroke-dasharray:2 4}.behind{--s:var(--fg);strok"
    "e-dasharray:6 4}\n",
    ".h{--s:hsl(var(--h) 62% var(--ll))}\n",
    ".h0{--h:255}.h1{--h:230}.h2{--h:205}.h3{--h:185}.h4{--h:160}.h5{--h:12"
    "5}.h6{--h:80}.h7{--h:45}.h8{--h:25}.h9{--h:5}\n",
    "/* the page alone */\n",
    "*{box-sizing:border-box}\n",
    "html{-webkit-text-size-adjust:100%}\n",
    "body{margin:0 auto;max-width:1120px;padding:24px 20px;background:var(-"
    "-bg);color:var(--fg);font:15px/1.5 system-ui,-apple-system,\"Segoe UI"
    "\",Roboto,sans-serif;font-variant-numeric:tabular-nums}\n",
    "h1{font-size:26px;line-height:1.2;margin:0;overflow-wrap:anywhere}\n",
    "h2{font-size:18px;margin:36px 0 12px}\n",
    "h3{font-size:13px;margin:0 0 4px;color:var(--dim);font-weight:600}\n",
    "header p{margin:6px 0 0;color:var(--dim)}\n",
    "header em{font-style:normal;color:var(--warn)}\n",
    ".warn{color:var(--warn);margin:16px 0 0}\n",
    ".tiles{display:flex;flex-wrap:wrap;gap:12px;margin-top:20px}\n",
    ".tiles div{flex:1 1 150px;background:var(--card);border-radius:8px;pad"
    "ding:12px 14px}\n",
    ".tiles span,.tiles i{display:block;font-style:normal;font-size:12px;co"
    "lor:var(--dim)}\n",
    ".tiles b{display:block;font-size:24px;line-height:1.3;font-weight:600}\n",
    ".losses{margin-top:28px;position:relative}\n",
    ".losses>input{position:absolute;opacity:0;pointer-events:none}\n",
    ".losses>label{display:inline-block;font-size:13px;padding:2px 10px;bor"
    "der:1px solid var(--rule);border-radius:99px;margin:0 6px 8px 0;color:"
    "var(--dim);cursor:pointer}\n",
    ".losses>input:checked+label{color:var(--bg);background:var(--fg);borde"
    "r-color:var(--fg)}\n",
    ".losses>input:focus-visible+label{outline:2px solid var(--c0)}\n",
    ".pane{display:none}\n",
    "#a0:checked~.p0,#a1:checked~.p1,#a2:checked~.p2{display:block}\n",
    "figure{margin:0;min-width:0;padding-bottom:44px}\n",
    "figcaption{font-size:13px;color:var(--dim);margin-bottom:10px}\n",
    "figcaption b{color:var(--fg);font-size:15px;font-weight:600;margin-rig"
    "ht:6px}\n",
    ".plot{position:relative;height:190px;margin:0 92px 0 46px}\n",
    ".losses .plot{height:340px;margin-right:150px}\n",
    ".plot.bare{margin-right:12px}\n",
    ".plot svg{position:absolute;inset:0;width:100%;height:100%;overflow:vi"
    "sible;clip-path:inset(0 -6px -6px -6px);border-bottom:1px solid var(--"
    "dim)}\n",
    ".plot span{position:absolute;font-size:12px;line-height:16px;color:var"
    "(--dim);white-space:nowrap}\n",
    ".plot .y{transform:translate(calc(-100% - 6px),-50%)}\n",
    ".plot .x{transform:translate(-50%,4px)}\n",
    ".plot .a{transform:translate(-50%,22px)}\n",
    ".plot .e{transform:translate(8px,-50%);color:var(--s);font-weight:600;"
    "max-width:140px;overflow:hidden;text-overflow:ellipsis}\n",
    ".grid2 .plot .e{max-width:84px}\n",
    ".grid2,.grid3{display:grid;gap:24px;margin-top:24px}\n",
    ".grid2{grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1f"
    "r))}\n",
    ".grid3{grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1f"
    "r))}\n",
    ".wide{overflow-x:auto;margin-top:20px}\n",
    "table{border-collapse:collapse;font-size:14px}\n",
    "th{text-align:left;font-weight:500}\n",
    ".runs{width:100%}\n",
    ".runs td,.runs tr:first-child th+th{text-align:right}\n",
    ".runs td,.runs th{padding:5px 12px 5px 0;border-bottom:1px solid var(-"
    "-rule);white-space:nowrap}\n",
    ".runs tr:first-child th{color:var(--dim);font-size:12px}\n",
    ".runs th[class],.samples h3[class^=c]{color:var(--s);font-weight:600}\n",
    ".samples{display:grid;grid-template-columns:repeat(auto-fill,minmax(mi"
    "n(100%,340px),1fr));gap:14px}\n",
    ".samples div{background:var(--card);border-radius:8px;padding:12px 14p"
    "x;min-width:0;break-inside:avoid}\n",
    "pre{margin:0;font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"
    "monospace;white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:iso"
    "late}\n",
    ".settings{columns:3 300px;column-gap:32px}\n",
    ".settings table{width:100%;break-inside:avoid;margin-bottom:18px;table"
    "-layout:auto}\n",
    "caption{text-align:left;font-weight:600;padding-bottom:4px}\n",
    ".settings th,.settings td{padding:3px 10px 3px 0;border-bottom:1px sol"
    "id var(--rule);vertical-align:top;overflow-wrap:anywhere}\n",
    ".settings th{color:var(--dim);white-space:nowrap}\n",
    ".many{columns:2 460px}\n",
    ".many table:first-child{column-span:all}\n",
    ".settings td{text-align:right;padding-right:0}\n",
    ".settings td+td{padding-left:12px}\n",
    ".differs td{color:var(--warn)}\n",
    "footer{margin-top:40px;font-size:12px;color:var(--dim)}\n",
    "@media(max-width:560px){body{padding:16px 14px}.losses .plot{height:26"
    "0px;margin-right:96px}.plot .e{max-width:86px}.plot{margin-left:40px}."
    "tiles div{flex-basis:40%}}\n",
    "@media print{:root{color-scheme:light}body{max-width:none;padding:0 6p"
    "x;font-size:12px}.plot{height:130px}.losses .plot{height:240px}.grid2{"
    "grid-template-columns:1fr 1fr}.grid3{grid-template-columns:1fr 1fr 1fr"
    "}.losses>label{display:none}figure,.tiles div{break-inside:avoid}.tile"
    "s div,.samples div{border:1px solid var(--rule)}}\n",
};

// ends: any
// finalisers
function main() { const r = new FinalizationRegistry(() => { for (;;) {} }); for (let i = 0; i < 1e6; i++) r.register({}, i); return 1; }

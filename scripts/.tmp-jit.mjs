import * as tf from "@tensorflow/tfjs-core";
import { useBackend } from "../dist/backends/index.js";
await useBackend("wasm");
const r=(s)=>tf.randomUniform(s,-1,1,"float32",1);
const a=r([32,784]),b=r([784,256]),d=r([32,256]);
for(let i=0;i<300;i++){tf.matMul(a,b).dispose();tf.matMul(a,d,true,false).dispose();}

